/** Commands of conversations, at random, from people few enough that they meet. */
import fc from 'fast-check';
import type {
  ConversationCommand,
  ConversationCommandData,
  ConversationCommandType,
} from '../../src/domain/conversation/commands.ts';
import type { Actor, Origin, Role } from '../../src/domain/decider.ts';

export interface Step {
  readonly command: ConversationCommand;
  readonly actor: Actor;
  readonly origin: Origin;
}

const seq = fc.nat(5);
const text = fc.string({ unit: 'grapheme', maxLength: 4 });
const agent = fc.constantFrom('bob', 'cy');
const queue = fc.constantFrom('sales', 'billing');
const tag = fc.constantFrom('vip', 'late', 'odd');
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const attributes = fc.dictionary(fc.constantFrom('plan', 'city'), text, { maxKeys: 2 });
const nothing = fc.constant({});
const sourceId = fc.constantFrom('l1', 'l2', 'l3');

const DATA: { readonly [Type in ConversationCommandType]: fc.Arbitrary<ConversationCommandData[Type]> } = {
  StartConversation: fc.record({ channel: fc.constant('web'), visitor: maybe(fc.constantFrom('ann', 'bob')) }),
  PostMessage: fc.record({
    text,
    replyTo: maybe(seq),
    source: maybe(fc.record({ id: sourceId, author: text, replyTo: maybe(sourceId) })),
  }),
  EditMessage: fc.record({ seq, text }),
  RedactMessage: fc.record({ seq }),
  AddNote: fc.record({ text }),
  JoinConversation: nothing,
  LeaveConversation: nothing,
  MarkRead: fc.record({ seq }),
  MarkDelivered: fc.record({ seq }),
  RemoveVisitor: fc.record({ reason: text }),
  AddTag: fc.record({ tag }),
  RemoveTag: fc.record({ tag }),
  SetPriority: fc.record({ priority: fc.constantFrom('low', 'normal', 'high', 'urgent') }),
  SetAttributes: fc.record({ attributes, remove: maybe(fc.array(fc.constantFrom('plan', 'city'), { maxLength: 2 })) }),
  QueueConversation: fc.record({ queue, reason: maybe(text) }),
  RequestAssignment: fc.record({ agent: maybe(agent) }),
  AssignConversation: fc
    .record({ agent, forced: fc.boolean(), why: text })
    .map(({ forced, ...data }) => (forced ? { ...data, forced } : { ...data, reservation: 'r' })),
  UnassignConversation: fc.record({ reason: maybe(text) }),
  TransferConversation: fc.record({ to: fc.oneof(fc.record({ queue }), fc.record({ agent })), reason: text }),
  SnoozeConversation: fc.record({ until: fc.constantFrom('1970-01-01T00:00:01Z', '2040-01-01T00:00:00+02:00') }),
  ResolveConversation: fc.record({ outcome: maybe(fc.constant('solved')) }),
  ReopenConversation: fc.record({ reason: text }),
  CloseConversation: nothing,
  RateConversation: fc.record({ score: fc.integer({ min: 1, max: 5 }), comment: maybe(text) }),
};

/** What is wanted more often than the rest, so that there is something for the rest to happen to. */
const WEIGHTS: { readonly [Type in ConversationCommandType]?: number } = {
  PostMessage: 6,
  ResolveConversation: 3,
  AssignConversation: 3,
  QueueConversation: 2,
  RateConversation: 3,
  RemoveVisitor: 1,
  CloseConversation: 1,
};

const command = fc.oneof(
  ...(Object.keys(DATA) as ConversationCommandType[]).map(type => ({
    weight: WEIGHTS[type] ?? 2,
    arbitrary: DATA[type].map(data => ({ type, data }) as ConversationCommand),
  })),
);

export const step: fc.Arbitrary<Step> = fc.record({
  command,
  actor: fc.oneof(
    { weight: 1, arbitrary: fc.constant<Actor>({ id: 'ann', role: 'visitor' }) },
    {
      weight: 2,
      arbitrary: fc.record({
        id: fc.constantFrom('ann', 'bob', 'cy'),
        role: fc.constantFrom<Role>('visitor', 'agent', 'supervisor', 'supervisor', 'auditor', 'bot', 'service'),
      }),
    },
  ),
  origin: fc.constantFrom<Origin>('live', 'live', 'live', 'live', 'import'),
});

/** Usually a conversation of ann's, who is a visitor, that is under way. */
export const steps: fc.Arbitrary<Step[]> = fc
  .tuple(fc.integer({ min: 0, max: 9 }), fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }))
  .map(([luck, rest]) => {
    const started: Step = {
      command: { type: 'StartConversation', data: { channel: 'web' } },
      actor: { id: 'ann', role: 'visitor' },
      origin: 'live',
    };
    return luck === 0 ? rest : [started, ...rest];
  });
