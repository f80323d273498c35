/**
 * What the load generator of the kill storm notes down, a JSON line each: journals of clients, one a client and room, and
 * what imports and exports were told. Noted before the bytes of a send leave, so that the file is never behind the server.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Journal, JournalEntry } from './checker.ts';
import type { ImportChunk } from './kill-plan.ts';

/** Whose journal it is, and of which room: `tenant/conversation`. */
export interface JournalHead {
  readonly room: string;
  readonly client: string;
  readonly view: Journal['view'];
  readonly reads: NonNullable<Journal['reads']>;
}

/** An export of one conversation that came to its end: `acked` are the posts known to be there before it was asked for. */
export interface ExportNote {
  readonly room: string;
  readonly acked: readonly string[];
  readonly got: readonly string[];
}

type Line =
  | { readonly kind: 'begun'; readonly journal: number; readonly head: JournalHead }
  | { readonly kind: 'entry'; readonly journal: number; readonly entry: JournalEntry }
  | { readonly kind: 'imported'; readonly chunk: ImportChunk }
  | { readonly kind: 'exported'; readonly note: ExportNote };

/** Notes down what happens to one client in one room. */
export type Note = (entry: JournalEntry) => void;

export class JournalFile {
  private readonly stream: WriteStream;
  private journals = 0;

  constructor(path: string) {
    this.stream = createWriteStream(path);
  }

  begin(head: JournalHead): Note {
    const journal = this.journals++;
    this.write({ kind: 'begun', journal, head });
    return entry => {
      this.write({ kind: 'entry', journal, entry });
    };
  }

  imported(chunk: ImportChunk): void {
    this.write({ kind: 'imported', chunk });
  }

  exported(note: ExportNote): void {
    this.write({ kind: 'exported', note });
  }

  async close(): Promise<void> {
    this.stream.end();
    await once(this.stream, 'close');
  }

  private write(line: Line): void {
    this.stream.write(`${JSON.stringify(line)}\n`);
  }
}

export interface Noted {
  /** By room. */
  readonly journals: ReadonlyMap<string, readonly Journal[]>;
  readonly chunks: readonly ImportChunk[];
  readonly exports: readonly ExportNote[];
}

export async function readJournalFile(path: string): Promise<Noted> {
  const open: (Journal & { readonly room: string; readonly entries: JournalEntry[] })[] = [];
  const chunks: ImportChunk[] = [];
  const exports: ExportNote[] = [];
  for await (const text of createInterface({ input: createReadStream(path) })) {
    const line = JSON.parse(text) as Line;
    if (line.kind === 'begun') open[line.journal] = { ...line.head, entries: [] };
    else if (line.kind === 'entry') open[line.journal]?.entries.push(line.entry);
    else if (line.kind === 'imported') chunks.push(line.chunk);
    else exports.push(line.note);
  }
  const journals = new Map<string, Journal[]>();
  for (const journal of open) journals.set(journal.room, [...(journals.get(journal.room) ?? []), journal]);
  return { journals, chunks, exports };
}
