/**
 * All projections that this process keeps up to date, on one subscription: each batch is opened once, and every projection
 * takes it from its own checkpoint on. The group goes in *rounds*. A round opens every projection that is to run, begins at
 * the lowest of their checkpoints, and ends when something is not as it was any more: a store was away (then the next
 * begins after a pause), another generation took a projection's place, or one comes back from standby.
 */
import { UnavailableError } from '../errors.ts';
import { openFeed } from './feed.ts';
import type { LagMeter } from './lag.ts';
import type { LiveProjection } from './live-projection.ts';
import { Outage } from './outage.ts';
import type { ProjectorParts } from './parts.ts';
import type { ProjectionRun } from './projection-run.ts';

/** What is in hand is looked upon as fresh for so long; behind that, it is asked where the log ends. */
const FRESH_MS = 1_000;

interface Member {
  readonly live: LiveProjection;
  readonly run: ProjectionRun;
}

export class LiveGroup {
  private readonly parts: ProjectorParts;
  private readonly projections: readonly LiveProjection[];
  private readonly lag: LagMeter;
  private readonly outage: Outage;
  private round = new AbortController();
  private readonly watched = new Map<LiveProjection, Promise<void>>();
  private endLookedForMs = 0;

  constructor(parts: ProjectorParts, projections: readonly LiveProjection[], lag: LagMeter) {
    this.parts = parts;
    this.projections = projections;
    this.lag = lag;
    this.outage = new Outage(parts, { projections: projections.map(({ name }) => name) });
  }

  /** Resolves once the projector stops and nothing is under way any more. */
  async run(): Promise<void> {
    const { stopping } = this.parts;
    while (!stopping.aborted) {
      this.round = new AbortController();
      const signal = AbortSignal.any([stopping, this.round.signal]);
      await this.goRound(signal).catch((error: unknown) => this.failed(error));
    }
    await Promise.all(this.watched.values());
  }

  private async failed(error: unknown): Promise<void> {
    const { stopping } = this.parts;
    if (stopping.aborted) return;
    if (error instanceof UnavailableError) {
      for (const live of this.projections) live.retrying(error);
      await this.outage.failed(error, stopping);
    } else for (const live of this.projections) if (live.run !== undefined) live.stop(error);
  }

  /** Ends the round: what runs is opened again. */
  regroup(): void {
    this.round.abort();
  }

  private async goRound(signal: AbortSignal): Promise<void> {
    const members: Member[] = [];
    for (const live of this.projections) {
      const run = await this.open(live);
      if (run !== undefined) members.push({ live, run });
      else if (live.state === 'standby') this.watch(live);
    }
    if (members.length === 0) {
      this.outage.over();
      await aborted(signal);
      return;
    }
    await this.lag.lookForEnd();
    this.lag.restarted();
    await this.follow(members, signal);
  }

  private async open(live: LiveProjection): Promise<ProjectionRun | undefined> {
    if (live.state === 'stopped' || this.watched.has(live)) return undefined;
    try {
      return await live.open();
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      live.stop(error);
      return undefined;
    }
  }

  private async follow(members: readonly Member[], signal: AbortSignal): Promise<void> {
    const checkpoints = members.map(({ run }) => run.checkpoint);
    const after = checkpoints.reduce((a, b) =>
      a === undefined || b === undefined || a.position <= b.position ? a : b,
    );
    const lowest = checkpoints.includes(undefined) ? undefined : after;
    for await (const item of openFeed(this.parts.source, { after: lowest, signal })) {
      this.lag.received(item);
      const running = members.filter(({ live, run }) => live.run === run);
      if (running.length === 0) break;
      const taken = await Promise.allSettled(running.map(({ live, run }) => live.take(run, item)));
      for (const result of taken) if (result.status === 'rejected') throw result.reason as Error;
      for (const { live } of running) if (live.state === 'standby') this.watch(live);
      this.outage.over();
      if (item.kind !== 'caught-up') await this.lookForEndWhereBehind();
    }
    if (!signal.aborted && members.every(({ live, run }) => live.run !== run)) return;
    // A subscription that ends by itself has lost its log.
    if (!signal.aborted) throw new UnavailableError('The subscription to the log ended.');
  }

  private async lookForEndWhereBehind(): Promise<void> {
    const now = this.parts.clock.now();
    if (now - this.endLookedForMs < FRESH_MS) return;
    this.endLookedForMs = now;
    await this.lag.lookForEnd();
  }

  private watch(live: LiveProjection): void {
    if (this.watched.has(live)) return;
    const watching = this.watchUntilQuiet(live).finally(() => {
      this.watched.delete(live);
      this.regroup();
    });
    this.watched.set(live, watching);
  }

  /** Until the checkpoint has not moved for one whole look, or the code that was too new is gone. */
  private async watchUntilQuiet(live: LiveProjection): Promise<void> {
    const { delay, random, limits, stopping } = this.parts;
    let seen: string | undefined;
    for (;;) {
      await delay(limits.standbyMs * (0.5 + random()), stopping);
      if (stopping.aborted) return;
      try {
        const { entry, standing } = await live.look();
        if (standing === 'older') break;
        if (standing === 'newer') continue;
        await this.lag.lookForEnd();
        const at = `${entry.live.generation}@${(await live.liveCheckpoint())?.position ?? ''}`;
        if (at === seen) break;
        seen = at;
      } catch (error) {
        if (!(error instanceof UnavailableError)) {
          live.stop(error);
          return;
        }
        seen = undefined;
      }
    }
    live.takeOver();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
