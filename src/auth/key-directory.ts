/**
 * Which API keys are in force, as the tenants' streams say. A tenant's keys are read when one of them is first used,
 * and dropped, to be read again, when its stream goes on. The subscription begins before the first reading, so that no
 * revocation falls between the two; what it says of revoked keys is kept, for the sessions that a key has opened.
 */
import type { Claims } from '../domain/claims.ts';
import type { Recorded } from '../domain/decider.ts';
import type { TenantEvent } from '../domain/tenant/events.ts';
import type { ApiKeyState, TenantState } from '../domain/tenant/state.ts';
import type { EventStore, RecordedEvent } from '../event-store/event-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { isApiKey, isSecretOf, parseApiKey } from './api-keys.ts';
import type { TokenVerdict, VerifyToken } from './tokens.ts';

/** Of a key that is not revoked: the last second that ISO 8601 has four digits for. */
const NEVER = Date.UTC(9999, 11, 31, 23, 59, 59);
/** Tenants whose keys are kept at hand; the one used longest ago is dropped first. */
const TENANTS_MAX = 1_000;
/** Between attempts to subscribe again: a doubled random wait, from this … */
const BACKOFF_MS = 100;
/** … to this, which with the gateway's tick keeps a revocation under five seconds (GW-2). */
const BACKOFF_MS_MAX = 2_000;

export interface KeyDirectoryOptions {
  readonly store: Pick<EventStore, 'readAll' | 'subscribeToAll'>;
  readonly open: (batch: readonly RecordedEvent[]) => Promise<readonly Recorded<TenantEvent>[]>;
  /** Reads the tenant's stream to its durable head. */
  readonly readTenant: (tenant: string) => Promise<Readonly<TenantState>>;
  readonly logger: Logger;
  /** Another node may have erased a subject: what this one remembers of it goes. */
  readonly onErased?: (tenant: string, subject: string) => void;
  /** Resolves after so many ms, or at once when the signal aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random?: () => number;
}

type Keys = ReadonlyMap<string, ApiKeyState>;

export class KeyDirectory {
  private readonly options: KeyDirectoryOptions;
  /** In the order of use, the oldest first. */
  private readonly tenants = new Map<string, Promise<Keys>>();
  private readonly revoked = new Set<string>();
  private readonly stopping = new AbortController();
  private after: bigint | 'start' = 'start';
  private running: Promise<void> = Promise.resolve();

  constructor(options: KeyDirectoryOptions) {
    this.options = options;
  }

  /** Resolves once the position to follow from is known. @throws UnavailableError */
  async start(): Promise<void> {
    for await (const last of this.options.store.readAll({ direction: 'backwards', from: 'end', maxCount: 1 }))
      this.after = last.position;
    this.running = this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** API keys are looked up, everything else is for `verifyToken`. @throws what reading the tenant's stream throws */
  verifier(verifyToken: VerifyToken): VerifyToken {
    return token => (isApiKey(token) ? this.verify(token) : verifyToken(token));
  }

  /** Whether claims that were valid came with a key that has been revoked since. */
  isRevoked({ apiKey }: Claims): boolean {
    return apiKey !== undefined && this.revoked.has(apiKey);
  }

  /** For what this node itself has just made durable, so that it holds here at once. */
  note(tenant: string, revoked?: string): void {
    this.tenants.delete(tenant);
    if (revoked !== undefined) this.revoked.add(revoked);
  }

  private async verify(token: string): Promise<TokenVerdict> {
    const parts = parseApiKey(token);
    if (parts === undefined) return INVALID;
    const { tenant, keyId, secret } = parts;
    const key = (await this.keysOf(tenant)).get(keyId);
    // Said in the same words whether the key never was, is another tenant's, or has another secret.
    if (key === undefined || !isSecretOf(key.hash, secret)) return INVALID;
    if (key.revokedAt !== undefined || this.revoked.has(keyId))
      return { kind: 'invalid', message: 'this API key was revoked' };
    const claims = { sub: `key-${keyId}`, tenant, role: key.role, rooms: [], expiresAt: NEVER, apiKey: keyId };
    return { kind: 'valid', claims };
  }

  private keysOf(tenant: string): Promise<Keys> {
    const known = this.tenants.get(tenant);
    const keys = known ?? this.options.readTenant(tenant).then(({ apiKeys }) => apiKeys);
    this.tenants.delete(tenant);
    this.tenants.set(tenant, keys);
    const oldest = this.tenants.size > TENANTS_MAX ? this.tenants.keys().next().value : undefined;
    if (oldest !== undefined) this.tenants.delete(oldest);
    if (known !== undefined) return keys;
    const drop = () => {
      if (this.tenants.get(tenant) === keys) this.tenants.delete(tenant);
    };
    // Anybody can name a tenant, and those without keys must not push out the others.
    keys.then(({ size }) => {
      if (size === 0) drop();
    }, drop);
    return keys;
  }

  private async follow(): Promise<void> {
    const { store, logger, delay, random = Math.random } = this.options;
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        const filter = { by: 'stream', prefixes: ['tenant-'] } as const;
        for await (const message of store.subscribeToAll({ after: this.after, filter, signal })) {
          if (message.kind === 'events') await this.take(message.events);
          if (message.kind === 'checkpoint') this.after = message.position;
          failures = 0;
        }
      } catch (error) {
        if (this.aborted()) return;
        logger.warn('the feed of tenants failed and is subscribed again', { error, failures });
      }
      if (!this.aborted()) await delay(random() * Math.min(BACKOFF_MS * 2 ** failures, BACKOFF_MS_MAX), signal);
      failures += 1;
    }
  }

  /** Apart from `follow`, because it changes while `follow` awaits. */
  private aborted(): boolean {
    return this.stopping.signal.aborted;
  }

  private async take(events: readonly RecordedEvent[]): Promise<void> {
    for (const { stream } of events) this.tenants.delete(tenantOf(stream));
    for (const { event, stream } of await this.opened(events)) {
      if (event.type === 'ApiKeyRevoked') this.revoked.add(event.data.keyId);
      if (event.type === 'SubjectErased') this.options.onErased?.(tenantOf(stream), event.data.subject);
    }
    this.after = events.at(-1)?.position ?? this.after;
  }

  /** An event that this code cannot read must not hide a revocation that it can. */
  private async opened(events: readonly RecordedEvent[]): Promise<Recorded<TenantEvent>[]> {
    const opened: Recorded<TenantEvent>[] = [];
    for (const event of events)
      try {
        opened.push(...(await this.options.open([event])));
      } catch (error) {
        const { stream, revision } = event;
        this.options.logger.error('an event of a tenant cannot be read', { error, stream, revision: String(revision) });
      }
    return opened;
  }
}

function tenantOf(stream: string): string {
  return /^tenant-([^.]+)\./.exec(stream)?.[1] ?? '';
}

const INVALID: TokenVerdict = { kind: 'invalid', message: 'not an API key of this server' };
