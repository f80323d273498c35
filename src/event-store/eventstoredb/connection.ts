/**
 * The connection to EventStoreDB, kept up for as long as the store is open: found by gossip where there is more than one
 * node, replaced as a whole after any sign that it is gone (a link is never mended), with pauses that grow and are
 * random. States: `connecting`, with the reason why there is no link; `connected`; `closed`.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { discoverEndpoint } from '@eventstore/db-client/dist/Client/discovery.js';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { UnavailableError } from '../../errors.ts';
import { backoffMs, pause } from './backoff.ts';
import { channelCredentials } from './connection-string.ts';
import type { ConnectionSettings, Endpoint } from './connection-string.ts';
import { callFailure, TransientError } from './failures.ts';
import { Link } from './link.ts';

export interface ConnectionOptions {
  readonly settings: ConnectionSettings;
  /** For one try at connecting. */
  readonly deadlineMs: number;
  readonly random: () => number;
  /** Told when the store went away, and why, and when it is there again. */
  readonly onChange: (change: ConnectionChange) => void;
}

export type ConnectionChange =
  | { readonly kind: 'connected'; readonly node: string; readonly version: string }
  | { readonly kind: 'away'; readonly reason: string };

/** A link that held for so long was a good one: the next pause is a short one again. */
const STEADY_MS = 1_000;

export class Connection {
  private readonly options: ConnectionOptions;
  private readonly credentials: ChannelCredentials;
  private readonly connectionName: string;
  private readonly closing = new AbortController();
  /** Called with every new link, in the order of their adding, before anybody who waits for it goes on. */
  private readonly onLink: ((link: Link) => void)[] = [];
  private readonly waiting = new Set<() => void>();
  private current: Link | undefined;
  private lost: (error: Error) => void = () => undefined;
  private reason = 'not connected yet';
  private announced: ConnectionChange['kind'] | undefined;
  private nextEndpoint: Endpoint | undefined;
  private running: Promise<void> | undefined;

  /** @throws BadConnectionStringError where a certificate cannot be read */
  constructor(options: ConnectionOptions) {
    this.options = options;
    this.credentials = channelCredentials(options.settings);
    this.connectionName = options.settings.connectionName ?? `verbatim-${randomUUID()}`;
    // Everything that waits listens to it, however much that is.
    setMaxListeners(0, this.closing.signal);
  }

  start(): void {
    this.running ??= this.run();
  }

  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Apart from the signal, because it changes during every wait. */
  isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  /** Why there is no connection; undefined while there is one. */
  trouble(): string | undefined {
    return this.current === undefined ? `EventStoreDB is away (${this.reason}).` : undefined;
  }

  /** The link, if it is there now. */
  get link(): Link | undefined {
    return this.current;
  }

  addLinkListener(listener: (link: Link) => void): void {
    this.onLink.push(listener);
  }

  /** The link, waited for. @throws UnavailableError when it is not there in time, or the store is closed */
  async waitForLink(waitMs: number, signal?: AbortSignal): Promise<Link> {
    if (this.current === undefined && !this.isClosed() && signal?.aborted !== true)
      await new Promise<void>(resolve => {
        const done = (): void => {
          clearTimeout(timer);
          this.waiting.delete(done);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = waitMs === Infinity ? undefined : setTimeout(done, waitMs);
        this.waiting.add(done);
        signal?.addEventListener('abort', done);
      });
    if (this.isClosed()) throw new UnavailableError('The event store is closed.');
    if (this.current === undefined) throw new UnavailableError(`EventStoreDB is away (${this.reason}).`);
    return this.current;
  }

  /** Somebody saw that this link is of no use any more; it is replaced. */
  reportLost(link: Link, error: Error): void {
    if (link === this.current) this.lost(error);
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.lost(new UnavailableError('The event store is closed.'));
    await this.running;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.isClosed();) {
      const begunMs = performance.now();
      const error = await this.serveOneLink();
      failures = performance.now() - begunMs >= STEADY_MS ? 1 : failures + 1;
      if (this.isClosed()) break;
      this.goAway(error);
      await pause(backoffMs(failures, this.options.random), this.closed);
    }
    this.wakeAll();
  }

  /** Connects, and resolves with what ended it: at once where it failed, else once the link is lost. */
  private async serveOneLink(): Promise<Error> {
    let link: Link | undefined;
    try {
      const endpoint = this.nextEndpoint ?? (await this.findEndpoint());
      this.nextEndpoint = undefined;
      const opened = (link = new Link(endpoint, this.options.settings, this.credentials, this.connectionName));
      const lost = new Promise<Error>(resolve => (this.lost = resolve));
      if (this.isClosed()) throw new UnavailableError('The event store is closed.');
      await Promise.race([link.greet(this.options.deadlineMs), lost.then(error => Promise.reject(error))]);
      this.current = link;
      this.announce({ kind: 'connected', node: `${endpoint.address}:${endpoint.port}`, version: link.serverVersion });
      link.watch(() => {
        this.reportLost(opened, new TransientError('The connection was cut.', { isConnectionLost: true }));
      });
      for (const listener of this.onLink) listener(link);
      this.wakeAll();
      throw await lost;
    } catch (error) {
      const failure = callFailure(error, {});
      this.current = undefined;
      if (failure instanceof TransientError) this.nextEndpoint = failure.leader;
      link?.close(failure);
      return failure;
    } finally {
      this.lost = () => undefined;
    }
  }

  private async findEndpoint(): Promise<Endpoint> {
    const { hosts, discover, nodePreference, gossipTimeoutSeconds } = this.options.settings;
    const [first] = hosts;
    if (first === undefined) throw new UnavailableError('EVENTSTORE_URL names no host.');
    if (!discover) return first;
    const common = {
      nodePreference,
      gossipTimeout: gossipTimeoutSeconds,
      maxDiscoverAttempts: 1,
      discoveryInterval: 1,
    };
    const seeds = hosts.length > 1 ? { endpoints: [...hosts] } : { discover: first };
    try {
      return await discoverEndpoint({ ...common, ...seeds }, this.credentials);
    } catch (error) {
      const asked = hosts.map(({ address, port }) => `${address}:${port}`).join(', ');
      throw new UnavailableError(`No node of EventStoreDB answers, or none is a ${nodePreference}: asked ${asked}.`, {
        cause: error,
      });
    }
  }

  private goAway(error: Error): void {
    // What stands behind the colon names hosts, and is for the log.
    this.reason = error.message.replace(/:.*$/s, '');
    this.announce({ kind: 'away', reason: error.message });
  }

  /** Only what has changed is told: a store that stays away is told of once. */
  private announce(change: ConnectionChange): void {
    if (change.kind === this.announced) return;
    this.announced = change.kind;
    this.options.onChange(change);
  }

  private wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }
}
