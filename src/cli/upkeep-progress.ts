/** Progress of work on a log, on stderr: a bar on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import type { UpkeepProgress } from '../event-store/log-upkeep.ts';
import type { WorkProgress } from '../projections/projector.ts';

const LINE_EVERY_MS = 5_000;
const MB = 1_000_000;

/** In bytes of the log; while comparing in documents. */
type Progress = UpkeepProgress | WorkProgress;

export interface ProgressReport {
  readonly onProgress: (progress: Progress) => void;
  end(): void;
}

/** @param what the work in a word: `check` */
export function reportProgress(what: string, stream: NodeJS.WriteStream = process.stderr): ProgressReport {
  if (!stream.isTTY) {
    let toldMs = performance.now();
    return {
      onProgress: progress => {
        if (performance.now() - toldMs < LINE_EVERY_MS) return;
        toldMs = performance.now();
        stream.write(`${what}: ${told(progress)}\n`);
      },
      end: () => undefined,
    };
  }
  const format = `${what} {bar} {percentage}% | {told} | {duration_formatted}`;
  const bar = new SingleBar({ stream, format, hideCursor: null, fps: 10 });
  let begun = false;
  return {
    onProgress: progress => {
      const { done, total } = progress;
      const payload = { told: told(progress) };
      if (!begun) bar.start(Math.max(1, total), done, payload);
      begun = true;
      bar.setTotal(Math.max(1, total));
      bar.update(done, payload);
    },
    end: () => {
      if (begun) bar.stop();
    },
  };
}

function told(progress: Progress): string {
  const { done, total } = progress;
  if ('phase' in progress && progress.phase === 'comparing')
    return `${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} documents compared`;
  return `${megabytes(done)} of ${megabytes(total)} MB`;
}

function megabytes(bytes: number): string {
  return Math.round(bytes / MB).toLocaleString('en-US');
}
