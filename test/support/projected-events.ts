/** Events as folds see them: made by hand, or decided by the real decider from commands. */
import { conversationDecider } from '../../src/domain/conversation/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationEvent, ConversationEventData } from '../../src/domain/conversation/events.ts';
import type { ConversationState } from '../../src/domain/conversation/state.ts';
import { Rejection, emptyFold, foldNext } from '../../src/domain/decider.ts';
import type { Actor, Folded, Origin, Role } from '../../src/domain/decider.ts';
import type { ProjectedEvent } from '../../src/projections/projection.ts';

export const TENANT = 'acme';

/** Of the events made by hand that name no time: a minute after each other from here on. */
export const BEGIN_MS = Date.parse('2026-03-01T10:00:00.000Z');
const STEP_MS = 60_000;

export const by = (role: Role, id: string = role): Actor => ({ id, role });

export interface Happened {
  readonly event: ConversationEvent;
  readonly actor: Actor;
  readonly at?: string | undefined;
}

export function happened<Type extends ConversationEvent['type']>(
  type: Type,
  data: ConversationEventData[Type],
  actor: Actor = by('service'),
  at?: string,
): Happened {
  return { event: { type, data } as ConversationEvent, actor, at };
}

/** One conversation's history, revisions from 0, positions ten apart. */
export function historyOf(happenings: readonly Happened[], conversation = '1'): ProjectedEvent[] {
  return happenings.map(({ event, actor, at }, i) => {
    const revision = BigInt(i);
    const place = { id: `event-${i}`, stream: `conversation-${TENANT}.${conversation}`, revision };
    const ms = at === undefined ? BEGIN_MS + i * STEP_MS : Date.parse(at);
    return {
      ...{ tenant: TENANT, conversation, position: i * 10 },
      recorded: {
        ...{ ...place, event, actor, position: BigInt(i * 10), at: ms, origin: 'live' as const },
        ...{ commandId: `command-${i}`, commandDigest: 'digest' },
      },
    };
  });
}

export interface Asked {
  readonly conversation: string;
  readonly command: ConversationCommand;
  readonly actor: Actor;
  readonly origin: Origin;
  readonly at: number;
  readonly commandId?: string;
}

/** What the commands append, in one log; a refusal appends nothing. */
export function decidedEvents(commands: Iterable<Asked>): ProjectedEvent[] {
  const streams = new Map<string, Folded<ConversationState>>();
  const log: ProjectedEvent[] = [];
  for (const { conversation, command, actor, origin, at, commandId } of commands) {
    const folded = streams.get(conversation) ?? emptyFold(conversationDecider);
    streams.set(conversation, folded);
    for (const event of decided(command, folded.state, { actor, origin, at })) {
      const position = log.length;
      const recorded = {
        ...{ event, actor, origin, at, id: `event-${position}`, stream: `conversation-${TENANT}.${conversation}` },
        ...{ revision: folded.revision + 1n, position: BigInt(position), commandId, commandDigest: undefined },
      };
      foldNext(conversationDecider, folded, recorded);
      log.push({ tenant: TENANT, conversation, position, recorded });
    }
  }
  return log;
}

function decided(...[command, state, context]: Parameters<typeof conversationDecider.decide>) {
  try {
    return conversationDecider.decide(command, state, context);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return [];
  }
}
