/** What an import tells the person before it: progress on stderr while it runs, then the bad lines and one summary. */
import { SingleBar } from 'cli-progress';
import type { ImportResult } from '../commands/import.ts';

/** More bad lines are counted, not listed. */
const REJECTED_LISTED_MAX = 50;
const PLAIN_PROGRESS_EVERY_MS = 2_000;

export interface ImportReport {
  take(result: ImportResult): void;
  /** Ends the progress and gives the bad lines listed, one a line, and the summary. `into`: where the lines went. */
  end(into: string): {
    readonly listing: string;
    readonly summary: string;
    readonly lines: number;
    readonly rejected: number;
  };
}

export interface ImportReportOptions {
  readonly stream: NodeJS.WriteStream;
  readonly totalBytes: number | undefined;
  readonly readBytes: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

export function createImportReport(options: ImportReportOptions): ImportReport {
  const counts = { imported: 0, duplicate: 0, rejected: 0 };
  const listed: string[] = [];
  const begunMs = options.now();
  const progress = createProgress(options);
  return {
    take: result => {
      counts[result.status] += 1;
      if (result.status === 'rejected' && listed.length < REJECTED_LISTED_MAX) listed.push(describeRejected(result));
      progress.update(counts);
    },
    end: into => {
      progress.stop(counts);
      const more = counts.rejected - listed.length;
      if (more > 0) listed.push(`… and ${grouped(more)} more`);
      const seconds = ((options.now() - begunMs) / 1_000).toFixed(1);
      const lines = total(counts);
      const summary = `${grouped(lines)} lines into ${into} in ${seconds} s: ${describeCounts(counts)}.`;
      return { listing: listed.map(line => `  ${line}\n`).join(''), summary, lines, rejected: counts.rejected };
    },
  };
}

type Counts = Readonly<Record<ImportResult['status'], number>>;

function total(counts: Counts): number {
  return counts.imported + counts.duplicate + counts.rejected;
}

function describeCounts(counts: Counts): string {
  return `${grouped(counts.imported)} imported, ${grouped(counts.duplicate)} already there, ${grouped(counts.rejected)} rejected`;
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** `line 17 (id 2004-07-16.5): text: must be a string [bad-request]`. */
function describeRejected(result: ImportResult): string {
  const id = result.id === undefined ? '' : ` (id ${printable(result.id)})`;
  const path = result.path === undefined || result.path === '' ? '' : ` ${result.path}:`;
  const code = result.reason ?? result.code ?? 'rejected';
  return `line ${result.line}${id}:${path} ${printable(result.message ?? 'not as expected')} [${code}]`;
}

/** What came from a file may hold control codes, which a terminal would obey. */
function printable(text: string): string {
  return text.slice(0, 300).replace(/\p{Cc}/gu, '\u{fffd}');
}

interface Progress {
  update(counts: Counts): void;
  stop(counts: Counts): void;
}

function createProgress({ stream, totalBytes, readBytes, now }: ImportReportOptions): Progress {
  if (stream.isTTY && totalBytes !== undefined) {
    const bar = new SingleBar({
      stream,
      format: '{bar} {percentage}% | {lines} lines, {rejected} rejected | {duration_formatted}',
      hideCursor: null,
      fps: 10,
    });
    const payload = (counts: Counts) => ({ lines: grouped(total(counts)), rejected: grouped(counts.rejected) });
    bar.start(Math.max(1, totalBytes), 0, { lines: '0', rejected: '0' });
    return {
      update: counts => {
        bar.update(readBytes(), payload(counts));
      },
      stop: counts => {
        bar.update(readBytes(), payload(counts));
        bar.stop();
      },
    };
  }
  let toldMs = now();
  return {
    update: counts => {
      if (now() - toldMs < PLAIN_PROGRESS_EVERY_MS) return;
      toldMs = now();
      const part =
        totalBytes === undefined ? '' : ` (${Math.floor((100 * readBytes()) / Math.max(1, totalBytes))} % read)`;
      stream.write(`${grouped(total(counts))} lines${part}: ${describeCounts(counts)}\n`);
    },
    stop: () => undefined,
  };
}
