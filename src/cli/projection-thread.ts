/**
 * Projections in a thread of their own, seen from the main thread, which has the log and the keys. A thread that ends
 * by itself was a bug or short of memory: it is started again, later and later, and everything else goes on meanwhile.
 */
import { Worker } from 'node:worker_threads';
import type { Config } from '../config/settings.ts';
import { UnavailableError } from '../errors.ts';
import { createCalls } from '../projections/thread/calls.ts';
import type { Calls } from '../projections/thread/calls.ts';
import { offerLog } from '../projections/thread/log-calls.ts';
import type { ProjectedKeys, ProjectedLog } from '../projections/thread/log-calls.ts';
import { writeLine } from '../projections/thread/log-lines.ts';
import { PROJECTIONS } from '../projections/projections.ts';
import type { ProjectionStatus, WorkOptions, WorkProgress } from '../projections/projector.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ProjectionHost } from './projection-host.ts';
import type { HostMethods, ProjectionThreadData, ThreadMethods } from './projections.worker.ts';

const THREAD = new URL(`./projections.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
const RESTART_MS = 1_000;
const RESTART_MS_MAX = 60_000;
/** A thread that has run so long has recovered. */
const STEADY_MS = 60_000;
/** Of a stop; then the thread is ended, which loses nothing that was committed. */
const STOP_MS = 5_000;

export interface ProjectionThreadOptions {
  readonly config: Config;
  readonly log: string;
  readonly store: ProjectedLog;
  readonly keys: ProjectedKeys;
  readonly logger: Logger;
  readonly onCheckpoint: (name: string, position: number) => void;
}

/** The projector may still be opening its store when this gives it: what is asked of it then says so. */
export function startProjectionThread(options: ProjectionThreadOptions): ProjectionHost {
  return new ProjectionThread(options);
}

/** Until the thread has told. */
function unknownYet(name: string): ProjectionStatus {
  const counts = { eventsFolded: 0, batches: 0, retries: 0, staleCommits: 0, parkedDocuments: 0 };
  const nothing = { generation: 0, checkpoint: undefined, lagEvents: 0, lagSeconds: 0, rebuilding: false };
  return { name, state: 'catching-up', reason: 'The projector is starting.', ...nothing, ...counts };
}

class ProjectionThread implements ProjectionHost {
  private readonly options: ProjectionThreadOptions;
  private calls: Calls<ThreadMethods> | undefined;
  private worker: Worker | undefined;
  private known: readonly ProjectionStatus[] = PROJECTIONS.map(({ schema: { name } }) => unknownYet(name));
  private readonly progress = new Map<number, (progress: WorkProgress) => void>();
  private lastWork = 0;
  private restartMs = RESTART_MS;
  private restart: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(options: ProjectionThreadOptions) {
    this.options = options;
    this.begin();
  }

  status(): readonly ProjectionStatus[] {
    return this.known;
  }

  rebuild(name: string, work: WorkOptions = {}) {
    return this.work(work, (calls, id) => calls.call('rebuild', { work: id, name }));
  }

  verify(name: string, work: WorkOptions = {}) {
    return this.work(work, (calls, id) => calls.call('verify', { work: id, name }));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    let given: NodeJS.Timeout | undefined;
    const late = new Promise<void>(resolve => {
      given = setTimeout(resolve, STOP_MS);
    });
    await Promise.race([this.calls?.call('stop', undefined).catch(() => undefined), late]);
    clearTimeout(given);
    await this.worker?.terminate();
  }

  private begin(): void {
    const { config, log, store, keys, logger } = this.options;
    const begunMs = performance.now();
    const worker = new Worker(THREAD, { workerData: { config, log } satisfies ProjectionThreadData });
    const offered = offerLog(store, keys);
    const calls = createCalls<ThreadMethods>(worker, { ...offered, ...this.offer() });
    Object.assign(this, { worker, calls });
    worker.on('error', (error: unknown) => {
      logger.error('the thread that projects has failed', { error });
    });
    worker.on('exit', () => {
      offered.close();
      calls.close(new UnavailableError('The thread that projects has ended.'));
      if (!this.stopping) this.beginAgain(performance.now() - begunMs);
    });
    calls.call('start', undefined).catch((error: unknown) => {
      if (this.stopping) return;
      logger.error('projections could not be started', { error });
      void worker.terminate();
    });
  }

  private beginAgain(ranMs: number): void {
    if (ranMs > STEADY_MS) this.restartMs = RESTART_MS;
    this.options.logger.warn('projections are started again', { inMs: this.restartMs });
    this.known = this.known.map(status => ({
      ...status,
      state: 'retrying',
      reason: 'The thread that projects ended.',
    }));
    this.restart = setTimeout(() => {
      this.begin();
    }, this.restartMs);
    this.restartMs = Math.min(RESTART_MS_MAX, this.restartMs * 2);
  }

  private offer(): HostMethods {
    const { logger, onCheckpoint } = this.options;
    return {
      checkpoint: ({ name, position }) => {
        onCheckpoint(name, position);
      },
      status: status => {
        this.known = status;
      },
      progress: ({ work, progress }) => {
        this.progress.get(work)?.(progress);
      },
      write: line => {
        writeLine(logger, line);
      },
    };
  }

  private async work<Result>(
    { signal, onProgress }: WorkOptions,
    begin: (calls: Calls<ThreadMethods>, id: number) => Promise<Result>,
  ): Promise<Result> {
    const { calls } = this;
    if (calls === undefined || this.stopping) throw new UnavailableError('The projector is stopping.');
    this.lastWork += 1;
    const id = this.lastWork;
    if (onProgress) this.progress.set(id, onProgress);
    const abort = (): void => {
      void calls.call('abort', { work: id, why: 'The caller has left.' }).catch(() => undefined);
    };
    signal?.throwIfAborted();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await begin(calls, id);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.progress.delete(id);
    }
  }
}
