/**
 * What each side has not read yet. Only the latest hundred are remembered: while there are more, a receipt that leaves
 * fewer than a hundred names one of those, so the count is exact wherever it is below a hundred.
 */
import type { Actor, Role } from '../../domain/decider.ts';
import type { ConversationDocument, PerSide } from './conversation-document.ts';
import { UNREAD_MAX } from './conversation-document.ts';

export type Unread = Pick<ConversationDocument, 'unread' | 'unreadSeqs'>;

const NONE: readonly number[] = [];

export const NOTHING_UNREAD: Unread = { unread: { staff: 0, visitor: 0 }, unreadSeqs: { staff: NONE, visitor: NONE } };

export function isStaff(role: Role): boolean {
  return role === 'agent' || role === 'supervisor';
}

/** Bots and services read nothing, for neither side. */
export function unreadAfterPost({ unreadSeqs: { staff, visitor } }: Unread, role: Role, seq: number): Unread {
  if (role === 'visitor') return counted({ staff: behind(staff, seq), visitor: NONE });
  return counted({ staff: isStaff(role) ? NONE : staff, visitor: behind(visitor, seq) });
}

/** The same object where nothing changes. */
export function unreadAfterReceipt(unread: Unread, { role }: Actor, seq: number): Unread {
  const { staff, visitor } = unread.unreadSeqs;
  if (role === 'visitor') return reaches(visitor, seq) ? counted({ staff, visitor: above(visitor, seq) }) : unread;
  if (isStaff(role)) return reaches(staff, seq) ? counted({ staff: above(staff, seq), visitor }) : unread;
  return unread;
}

function counted(unreadSeqs: PerSide<readonly number[]>): Unread {
  return { unread: { staff: unreadSeqs.staff.length, visitor: unreadSeqs.visitor.length }, unreadSeqs };
}

function behind(seqs: readonly number[], seq: number): readonly number[] {
  const longer = seqs.length < UNREAD_MAX ? seqs.slice() : seqs.slice(1 - UNREAD_MAX);
  longer.push(seq);
  return longer;
}

function reaches(seqs: readonly number[], seq: number): boolean {
  const first = seqs[0];
  return first !== undefined && first <= seq;
}

function above(seqs: readonly number[], seq: number): readonly number[] {
  return seqs.filter(unread => unread > seq);
}
