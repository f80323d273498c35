/** The thread that projects: folding and writing never hold up the gateway's loop. It asks the main thread for events. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Config } from '../config/settings.ts';
import { createCalls } from '../projections/thread/calls.ts';
import { logOverCalls } from '../projections/thread/log-calls.ts';
import type { LogMethods } from '../projections/thread/log-calls.ts';
import { loggerOver } from '../projections/thread/log-lines.ts';
import type { LogLine } from '../projections/thread/log-lines.ts';
import type { ProjectionStatus, WorkProgress } from '../projections/projector.ts';
import { openProjectionHost } from './projection-host.ts';
import type { ProjectionHost } from './projection-host.ts';

export interface ProjectionThreadData {
  readonly config: Config;
  readonly log: string;
}

/** What the main thread offers beside the log. */
export type HostMethods = {
  readonly checkpoint: (reached: { readonly name: string; readonly position: number }) => void;
  readonly status: (status: readonly ProjectionStatus[]) => void;
  readonly progress: (told: { readonly work: number; readonly progress: WorkProgress }) => void;
  readonly write: (line: LogLine) => void;
};

/** What this thread offers. */
export type ThreadMethods = ReturnType<typeof offerProjections>;

const STATUS_EVERY_MS = 250;

const { config, log } = workerData as ProjectionThreadData;
if (parentPort === null) throw new Error('This file is a worker thread.');
const port = parentPort;
const host = createCalls<LogMethods & HostMethods>(port, offerProjections());

function offerProjections() {
  let projections: ProjectionHost | undefined;
  let telling: NodeJS.Timeout | undefined;
  const works = new Map<number, AbortController>();
  const opened = (): ProjectionHost => {
    if (projections === undefined) throw new Error('The projector is not started.');
    return projections;
  };
  const run = async <Result>(
    work: number,
    begin: (options: { signal: AbortSignal; onProgress: (progress: WorkProgress) => void }) => Promise<Result>,
  ): Promise<Result> => {
    const ended = new AbortController();
    works.set(work, ended);
    try {
      return await begin({
        signal: ended.signal,
        onProgress: progress => {
          tell('progress', { work, progress });
        },
      });
    } finally {
      works.delete(work);
    }
  };
  return {
    start: async (): Promise<void> => {
      const { keys, ...store } = logOverCalls(host);
      projections = await openProjectionHost({
        ...{ config, log, store, keys, logger: loggerOver(line => host.call('write', line)) },
        onCheckpoint: (name, _generation, { position }) => {
          tell('checkpoint', { name, position });
        },
      });
      tell('status', projections.status());
      telling = setInterval(() => {
        if (projections) tell('status', projections.status());
      }, STATUS_EVERY_MS);
    },
    rebuild: ({ work, name }: { work: number; name: string }) => run(work, options => opened().rebuild(name, options)),
    verify: ({ work, name }: { work: number; name: string }) => run(work, options => opened().verify(name, options)),
    abort: ({ work, why }: { work: number; why: string }): void => {
      works.get(work)?.abort(new Error(why));
    },
    stop: async (): Promise<void> => {
      clearInterval(telling);
      for (const work of works.values()) work.abort(new Error('The projector stops.'));
      await projections?.stop();
      projections = undefined;
    },
  };
}

/** Nobody waits for it; a main thread that is gone ends this one too. */
function tell<Name extends keyof HostMethods>(name: Name, argument: Parameters<HostMethods[Name]>[0]): void {
  void host.call(name, argument as never).catch(() => undefined);
}
