/**
 * What a conversation has come to, folded from the events that one side was sent: the visitor's says less than the staff's,
 * since its events do.
 */
import type { RoomEvent } from '../protocol/frames.ts';
import { fieldsOf, numberOf, stringOf } from './fields.ts';

export type Status = 'open' | 'snoozed' | 'resolved' | 'closed';
export type ReceiptKind = 'read' | 'delivered';

/** The highest `seq` of each kind; -1: none. */
export interface Reach {
  readonly read: number;
  readonly delivered: number;
}

export interface RoomState {
  readonly status: Status;
  readonly priority: string;
  readonly tags: readonly string[];
  /** How often it was resolved. */
  readonly resolutions: number;
  /** Of the last rating; undefined: none. */
  readonly ratedResolution: number | undefined;
  /** By reader. */
  readonly receipts: ReadonlyMap<string, Reach>;
}

export const NOTHING_YET: RoomState = {
  status: 'open',
  priority: 'normal',
  tags: [],
  resolutions: 0,
  ratedResolution: undefined,
  receipts: new Map(),
};

type Evolve = (state: RoomState, data: RoomEvent['data']) => Partial<RoomState>;

const BY_TYPE: ReadonlyMap<string, Evolve> = new Map<string, Evolve>([
  ['ConversationSnoozed', () => ({ status: 'snoozed' })],
  ['ConversationUnsnoozed', () => ({ status: 'open' })],
  ['ConversationReopened', () => ({ status: 'open' })],
  ['ConversationClosed', () => ({ status: 'closed' })],
  [
    'ConversationResolved',
    (_state, { resolution }) => ({ status: 'resolved', resolutions: (numberOf(resolution) ?? 0) + 1 }),
  ],
  ['ConversationRated', (_state, { resolution }) => ({ ratedResolution: numberOf(resolution) })],
  ['PrioritySet', (state, { priority }) => ({ priority: stringOf(priority) ?? state.priority })],
  ['TagAdded', ({ tags }, { tag }) => ({ tags: [...tags.filter(other => other !== tag), stringOf(tag) ?? ''] })],
  ['TagRemoved', ({ tags }, { tag }) => ({ tags: tags.filter(other => other !== tag) })],
  ['ReceiptRecorded', ({ receipts }, data) => ({ receipts: withReceipt(receipts, data) })],
]);

export function evolve(state: RoomState, { type, data }: RoomEvent): RoomState {
  const changed = BY_TYPE.get(type)?.(state, fieldsOf(data));
  return changed === undefined ? state : { ...state, ...changed };
}

function withReceipt(receipts: RoomState['receipts'], { reader, kind, seq }: RoomEvent['data']): RoomState['receipts'] {
  const [who, upTo] = [stringOf(reader), numberOf(seq)];
  if (who === undefined || upTo === undefined || (kind !== 'read' && kind !== 'delivered')) return receipts;
  const before = receipts.get(who) ?? { read: -1, delivered: -1 };
  return new Map(receipts).set(who, { ...before, [kind]: Math.max(before[kind], upTo) });
}

/** How far a message of this author has come with anybody else. Who has read it has it. */
export function reachOf(state: RoomState, seq: number, author: string): ReceiptKind | undefined {
  const others = [...state.receipts].filter(([reader]) => reader !== author).map(([, reach]) => reach);
  if (others.some(({ read }) => read >= seq)) return 'read';
  return others.some(({ delivered }) => delivered >= seq) ? 'delivered' : undefined;
}

/** Whether the last resolution waits for the visitor's word. */
export function awaitsRating({ status, resolutions, ratedResolution }: RoomState): boolean {
  return status === 'resolved' && ratedResolution !== resolutions - 1;
}
