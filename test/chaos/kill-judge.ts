/**
 * The checker's process of the kill storm: it has seen nothing of the run. Told by messages of its parent: to read the
 * served rooms and exports (`read`), and, once the server is gone, the data folder's own streams, and to judge (`judge`).
 */
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { signToken } from '../support/server-process.ts';
import type { SampleLine } from '../support/sample.ts';
import { readRooms } from '../support/wire-client.ts';
import type { WireEvent } from '../support/wire-client.ts';
import { checkKillRun } from './kill-checker.ts';
import type { ExportedMessage, KillViolation, RawEvent } from './kill-checker.ts';
import { readJournalFile } from './kill-journal.ts';
import { linesOfChunk, roomKey, TENANTS } from './kill-plan.ts';

export interface JudgeOptions {
  readonly httpUrl: string;
  readonly gatewayUrl: string;
  readonly secret: string;
  readonly journal: string;
  readonly dataFolder: string;
}

export type JudgeOrder = { readonly op: 'read' | 'judge'; readonly options: JudgeOptions };

export interface Verdict {
  readonly op: 'judge';
  /** The first of them. */
  readonly violations: readonly KillViolation[];
  readonly counts: Readonly<Record<string, number>>;
}

const VIOLATIONS_SHOWN = 40;

interface Served {
  readonly rooms: Map<string, readonly WireEvent[]>;
  readonly exported: Map<string, ExportedMessage[]>;
}

async function readServed(options: JudgeOptions): Promise<Served> {
  const rooms = new Map<string, readonly WireEvent[]>();
  const exported = new Map<string, ExportedMessage[]>();
  const { journals, chunks } = await readJournalFile(options.journal);
  for (const tenant of TENANTS) {
    const token = signToken(options.secret, 'auditor', 'judge', { tenant });
    const known = [...journals.keys()]
      .filter(room => room.startsWith(`${tenant}/`))
      .map(room => room.slice(tenant.length + 1));
    const lines = chunks.filter(chunk => chunk.tenant === tenant).flatMap(linesOfChunk);
    const conversations = [...new Set([...known, ...lines.map(({ conversation }) => conversation)])];
    const names = conversations.map(conversation => `conversation:${conversation}`);
    const events = await readRooms(options.gatewayUrl, token, names);
    for (const [name, ofRoom] of events) rooms.set(roomKey(tenant, name.slice('conversation:'.length)), ofRoom);
    const answer = await fetch(`${options.httpUrl}/v1/export`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`The export of ${tenant}: ${answer.status} ${await answer.text()}`);
    for (const text of (await answer.text()).split('\n').filter(line => line !== '')) {
      const { id, conversation, text: said } = JSON.parse(text) as SampleLine;
      const room = roomKey(tenant, conversation);
      exported.set(room, [...(exported.get(room) ?? []), { id, text: said }]);
    }
  }
  return { rooms, exported };
}

async function readRaw(dataFolder: string): Promise<RawEvent[]> {
  const store = await openEmbeddedEventStore({ directory: join(dataFolder, 'log') });
  try {
    const raw: RawEvent[] = [];
    for await (const { stream, revision, position, id, type, metadata } of store.readAll()) {
      const { commandId } = JSON.parse(Buffer.from(metadata).toString() || '{}') as { commandId?: string };
      raw.push({ ...{ stream, position, id, type, commandId }, revision: Number(revision) });
    }
    return raw;
  } finally {
    await store.close();
  }
}

async function judge(options: JudgeOptions, served: Served): Promise<Verdict> {
  const { journals, chunks, exports } = await readJournalFile(options.journal);
  const imported = new Map<string, SampleLine[]>();
  for (const tenant of TENANTS)
    imported.set(tenant, chunks.filter(chunk => chunk.tenant === tenant).flatMap(linesOfChunk));
  const raw = await readRaw(options.dataFolder);
  const violations = checkKillRun({ ...served, raw, journals, imported, exports });
  const entries = [...journals.values()].flat().flatMap(journal => journal.entries);
  const count = (kind: string): number => entries.filter(entry => entry.kind === kind).length;
  return {
    op: 'judge',
    violations: violations.slice(0, VIOLATIONS_SHOWN),
    counts: {
      ...{ events: raw.length, rooms: served.rooms.size, violations: violations.length, imports: chunks.length },
      ...{ sent: count('sent'), acked: count('acked'), resumes: count('subscribed'), exports: exports.length },
      seen: entries.reduce((sum, entry) => sum + (entry.kind === 'events' ? entry.events.length : 0), 0),
      duplicates: entries.filter(entry => entry.kind === 'acked' && entry.duplicate).length,
    },
  };
}

let served: Promise<Served> | undefined;
process.on('disconnect', () => process.exit(2));
process.on('message', ({ op, options }: JudgeOrder) => {
  const answer = async (): Promise<object> => {
    served ??= readServed(options);
    return op === 'read' ? served.then(() => ({ op })) : judge(options, await served);
  };
  void answer().then(told => process.send?.(told));
});
