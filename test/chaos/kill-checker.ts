/**
 * Judges a kill storm: all journals of all rooms against what the log says afterwards, asked in three ways: rooms as a
 * WebSocket shows them from revision 0, whole exports, and the raw streams in the data folder. Pure, so that its own test
 * can plant each fault and see it found. What holds for one room is checker.ts's.
 */
import { checkRun } from './checker.ts';
import type { Journal, SeenEvent } from './checker.ts';
import { checkImport } from './import-checker.ts';
import type { ExportNote } from './kill-journal.ts';
import { seenEvent } from './kill-talker.ts';
import type { SampleLine } from '../support/sample.ts';
import type { WireEvent } from '../support/wire-client.ts';

/** An event as the store in the data folder has it. */
export interface RawEvent {
  readonly stream: string;
  readonly revision: number;
  readonly position: bigint;
  readonly id: string;
  readonly type: string;
  readonly commandId?: string | undefined;
}

export interface ExportedMessage {
  readonly id: string;
  readonly text: string | null;
}

export interface KillRun {
  /** Every room, by `tenant/conversation`, as the WebSocket shows it to an auditor. */
  readonly rooms: ReadonlyMap<string, readonly WireEvent[]>;
  /** The whole log in its order. */
  readonly raw: readonly RawEvent[];
  readonly journals: ReadonlyMap<string, readonly Journal[]>;
  /** The lines of each import that was answered to its end, by tenant. */
  readonly imported: ReadonlyMap<string, readonly SampleLine[]>;
  /** Exports of single conversations in the middle of the run. */
  readonly exports: readonly ExportNote[];
  /** The export of everything at its end, by room. */
  readonly exported: ReadonlyMap<string, readonly ExportedMessage[]>;
}

/** `room`: of one room, with the words of checker.ts. */
export type KillViolationKind =
  | 'room'
  | 'raw-order'
  | 'raw-twice'
  | 'raw-differs'
  | 'unknown-stream'
  | 'ack-position'
  | 'receipts'
  | 'import'
  | 'export-stale'
  | 'export-differs';

export interface KillViolation {
  readonly kind: KillViolationKind;
  readonly detail: string;
}

export function checkKillRun(run: KillRun): KillViolation[] {
  return [...checkRooms(run), ...checkRaw(run), ...checkImports(run), ...checkExportNotes(run), ...checkExported(run)];
}

/** Rooms that the journals know, each as if it were alone; and that receipts only ever move forwards. */
function checkRooms({ rooms, raw, journals }: KillRun): KillViolation[] {
  const byRoom = rawByRoom(raw);
  return [...journals].flatMap(([room, ofRoom]): KillViolation[] => {
    const events = rooms.get(room) ?? [];
    const isHidden = ({ type }: SeenEvent): boolean => type === 'NoteAdded';
    // The node makes a receipt's command itself.
    const receipts = events.filter(({ type }) => type === 'ReceiptRecorded');
    const foreign = new Set(receipts.map(({ commandId }) => commandId ?? ''));
    const found = checkRun({ log: events.map(seenEvent), journals: ofRoom, foreign, isHidden });
    return [
      ...found.map(({ kind, where, detail }) => violation('room', `${room}: ${kind}: ${where}: ${detail}`)),
      ...checkPositions(room, ofRoom, byRoom.get(room) ?? []),
      ...checkReceipts(room, receipts),
    ];
  });
}

function checkPositions(room: string, journals: readonly Journal[], raw: readonly RawEvent[]): KillViolation[] {
  return journals.flatMap(({ client, entries }) =>
    entries.flatMap(entry => {
      if (entry.kind !== 'acked' || entry.position === undefined) return [];
      const stored = raw[entry.last]?.position;
      if (String(stored) === entry.position) return [];
      return [violation('ack-position', `${room}: ${client}: ${entry.id}: ack ${entry.position}, log ${stored}`)];
    }),
  );
}

function checkReceipts(room: string, receipts: readonly WireEvent[]): KillViolation[] {
  const highest = new Map<string, number>();
  return receipts.flatMap(({ rev, data }) => {
    const who = `${String(data.reader)} ${String(data.kind)}`;
    const seq = Number(data.seq);
    const before = highest.get(who) ?? -1;
    highest.set(who, Math.max(seq, before));
    return seq > before ? [] : [violation('receipts', `${room}: revision ${rev}: ${who} ${before}, then ${seq}`)];
  });
}

function checkRaw({ rooms, raw }: KillRun): KillViolation[] {
  const found: KillViolation[] = [];
  const ids = new Set<string>();
  const heads = new Map<string, number>();
  const commands = new Map<string, RawEvent>();
  let position = -1n;
  for (const event of raw) {
    const where = `${event.stream}@${event.revision}`;
    if (event.position <= position)
      found.push(violation('raw-order', `${where}: position ${event.position} after ${position}`));
    position = event.position;
    const head = heads.get(event.stream) ?? -1;
    if (event.revision !== head + 1) found.push(violation('raw-order', `${where}: follows revision ${head}`));
    heads.set(event.stream, event.revision);
    if (ids.has(event.id)) found.push(violation('raw-twice', `${where}: event id ${event.id}`));
    ids.add(event.id);
    if (event.commandId === undefined) continue;
    const command = `${event.stream} ${event.commandId}`;
    const before = commands.get(command);
    // One command's events stand in a row; after others it is the command a second time.
    if (before && before.revision !== event.revision - 1)
      found.push(violation('raw-twice', `${where}: command ${event.commandId}`));
    commands.set(command, event);
  }
  for (const [room, ofRoom] of rawByRoom(raw)) {
    const events = rooms.get(room);
    if (events === undefined) found.push(violation('unknown-stream', room));
    else found.push(...checkSame(room, events, ofRoom));
  }
  return found;
}

function checkSame(room: string, events: readonly WireEvent[], raw: readonly RawEvent[]): KillViolation[] {
  const found: KillViolation[] = [];
  for (let at = 0; at < Math.max(events.length, raw.length); at++) {
    const [wire, stored] = [events[at], raw[at]];
    if (wire?.id === stored?.id && wire?.type === stored?.type && wire?.commandId === stored?.commandId) continue;
    found.push(
      violation(
        'raw-differs',
        `${room}: place ${at}: wire ${wire?.type} ${wire?.id}, log ${stored?.type} ${stored?.id}`,
      ),
    );
  }
  return found;
}

function checkImports({ rooms, imported }: KillRun): KillViolation[] {
  return [...imported].flatMap(([tenant, lines]) => {
    const prefix = `${tenant}/`;
    const ofTenant = new Map(
      [...rooms]
        .filter(([room]) => room.startsWith(prefix))
        .map(([room, events]) => [room.slice(prefix.length), events]),
    );
    return checkImport(lines, ofTenant).map(detail => violation('import', `${tenant}: ${detail}`));
  });
}

/** An export holds what was acked before it was asked for, once and in the order of the log. */
function checkExportNotes({ rooms, exports }: KillRun): KillViolation[] {
  return exports.flatMap(({ room, acked, got }) => {
    const places = new Map((rooms.get(room) ?? []).map(({ commandId }, place) => [commandId ?? '', place]));
    const there = new Set(got);
    const lost = acked.filter(id => !there.has(id));
    const isInOrder = got.every((id, at) => at === 0 || (places.get(id) ?? -1) > (places.get(got[at - 1] ?? '') ?? -1));
    return [
      ...lost.map(id => violation('export-stale', `${room}: ${id} was acked before and is not there`)),
      ...(isInOrder ? [] : [violation('export-differs', `${room}: not in the order of the log`)]),
    ];
  });
}

/** The export of everything has each message once, in order, as it reads after its edits and redactions. */
function checkExported({ rooms, exported }: KillRun): KillViolation[] {
  return [...rooms].flatMap(([room, events]) => {
    const wanted = messagesOf(events);
    const got = exported.get(room) ?? [];
    if (JSON.stringify(wanted) === JSON.stringify(got)) return [];
    const at = wanted.findIndex((message, place) => JSON.stringify(message) !== JSON.stringify(got[place]));
    return [violation('export-differs', `${room}: ${got.length} of ${wanted.length} messages, other from ${at} on`)];
  });
}

function messagesOf(events: readonly WireEvent[]): ExportedMessage[] {
  const messages: { id: string; text: string | null }[] = [];
  for (const { type, id, commandId, data } of events) {
    const message = messages[Number(data.seq)];
    if (type === 'MessagePosted') {
      const source = data.source as { readonly id: string } | undefined;
      messages.push({ id: source?.id ?? commandId ?? id, text: data.text as string });
    } else if (type === 'MessageEdited' && message && message.text !== '') message.text = data.text as string;
    else if (type === 'MessageRedacted' && message) message.text = '';
  }
  return messages;
}

function rawByRoom(raw: readonly RawEvent[]): Map<string, RawEvent[]> {
  const byRoom = new Map<string, RawEvent[]>();
  for (const event of raw) {
    const [, tenant, conversation] = /^conversation-([^.]+)\.(.+)$/.exec(event.stream) ?? [];
    if (tenant === undefined || conversation === undefined) continue;
    const room = `${tenant}/${conversation}`;
    const known = byRoom.get(room);
    if (known) known.push(event);
    else byRoom.set(room, [event]);
  }
  return byRoom;
}

function violation(kind: KillViolationKind, detail: string): KillViolation {
  return { kind, detail };
}
