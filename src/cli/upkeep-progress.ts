/** Progress of work on a log, on stderr: a bar on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import type { UpkeepProgress } from '../event-store/log-upkeep.ts';

const LINE_EVERY_MS = 5_000;
const MB = 1_000_000;

export interface ProgressReport {
  readonly onProgress: (progress: UpkeepProgress) => void;
  end(): void;
}

/** @param what the work in a word: `check` */
export function reportProgress(what: string, stream: NodeJS.WriteStream = process.stderr): ProgressReport {
  if (!stream.isTTY) {
    let toldMs = performance.now();
    return {
      onProgress: ({ done, total }) => {
        if (performance.now() - toldMs < LINE_EVERY_MS) return;
        toldMs = performance.now();
        stream.write(`${what}: ${megabytes(done)} of ${megabytes(total)} MB\n`);
      },
      end: () => undefined,
    };
  }
  const format = `${what} {bar} {percentage}% | {doneMb} of {totalMb} MB | {duration_formatted}`;
  const bar = new SingleBar({ stream, format, hideCursor: null, fps: 10 });
  let begun = false;
  return {
    onProgress: ({ done, total }) => {
      const payload = { doneMb: megabytes(done), totalMb: megabytes(total) };
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

function megabytes(bytes: number): string {
  return Math.round(bytes / MB).toLocaleString('en-US');
}
