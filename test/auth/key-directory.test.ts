import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyDirectory } from '../../src/auth/key-directory.ts';
import { createApiKeys } from '../../src/commands/api-keys.ts';
import type { ApiKeys } from '../../src/commands/api-keys.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import { createTenantCommands, readTenant } from '../../src/commands/tenant-commands.ts';
import type { Claims } from '../../src/domain/claims.ts';
import { UnavailableError } from '../../src/errors.ts';
import type { SubscribeToAllOptions } from '../../src/event-store/event-store.ts';
import { createTenantSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { until } from '../support/fake-time.ts';
import { MemoryEventStore } from '../support/memory-event-store.ts';
import { plainCodec } from '../support/plain-codec.ts';

const NOW = Date.UTC(2026, 0, 1);
const actor = { id: 'ops', role: 'service' } as const;

let store: MemoryEventStore;
let directory: KeyDirectory;
/** Another node's: this one learns of what it does from the log alone. */
let elsewhere: ApiKeys;
let reads: string[];
let commandIds = 0;

function createDirectory(): KeyDirectory {
  const serializer = createTenantSerializer({ codec: plainCodec });
  return new KeyDirectory({
    ...{ store, logger: silentLogger },
    open: batch => serializer.open(batch),
    readTenant: tenant => {
      reads.push(tenant);
      return readTenant(store, serializer, tenant);
    },
    delay: () => Promise.resolve(),
  });
}

beforeEach(async () => {
  reads = [];
  store = new MemoryEventStore(() => NOW);
  const keys = createTenantKeys({ rootSecret: new Uint8Array(32) });
  const serializer = createTenantSerializer({ codec: plainCodec });
  const commands = createTenantCommands({ store, serializer, keys, clock: { now: () => NOW } });
  elsewhere = createApiKeys({ commands, onChanged: () => undefined });
  directory = createDirectory();
  await directory.start();
});
afterEach(() => directory.stop());

const noTokens = () => Promise.resolve({ kind: 'invalid', message: 'not for this test' } as const);
const verify = (token: string) => directory.verifier(noTokens)(token);

async function make(tenant = 'acme'): Promise<{ key: string; keyId: string; claims: Claims }> {
  const { key = '', keyId } = await elsewhere.create({
    ...{ tenant, actor, name: 'CRM', role: 'bot' },
    commandId: `command-${++commandIds}`,
  });
  const verdict = await verify(key);
  if (verdict.kind !== 'valid') throw new Error('The key is not valid.');
  return { key, keyId, claims: verdict.claims };
}

describe('the directory of API keys', () => {
  it('gives a key its claims, and leaves tokens to others', async () => {
    const { keyId, claims } = await make();
    expect(claims).toMatchObject({ tenant: 'acme', role: 'bot', rooms: [], sub: `key-${keyId}`, apiKey: keyId });
    expect(new Date(claims.expiresAt).toISOString()).toMatch(/^9999-12-31/);
    expect(await verify('a.b.c')).toMatchObject({ message: 'not for this test' });
  });

  it('reads a tenant once, however many ask, and again after its stream went on', async () => {
    const { key } = await make();
    reads = [];
    await Promise.all([verify(key), verify(key), verify(key)]);
    const before = reads.length;
    expect(before).toBeLessThanOrEqual(1);
    await make('other');
    expect(reads).toHaveLength(before + 1);
    await elsewhere.create({ tenant: 'acme', actor, name: 'more', role: 'bot', commandId: 'more' });
    let seen = reads.length;
    await until(() => {
      void verify(key);
      seen = reads.filter(tenant => tenant === 'acme').length;
      return seen > before;
    }, 'a reading of the tenant that went on');
  });

  it('GW-2: learns of a revocation on another node, for new requests and for open sessions', async () => {
    const { key, keyId, claims } = await make();
    const other = await make();
    expect(directory.isRevoked(claims)).toBe(false);
    await elsewhere.revoke({ tenant: 'acme', actor, keyId });
    await until(() => directory.isRevoked(claims), 'the revocation');
    expect(await verify(key)).toMatchObject({ kind: 'invalid', message: 'this API key was revoked' });
    expect(directory.isRevoked(other.claims)).toBe(false);
    expect((await verify(other.key)).kind).toBe('valid');
  });

  it('knows at its start what was revoked before', async () => {
    const { key, keyId } = await make();
    await elsewhere.revoke({ tenant: 'acme', actor, keyId });
    await directory.stop();
    directory = createDirectory();
    await directory.start();
    expect((await verify(key)).kind).toBe('invalid');
  });

  it('subscribes again after a failure, and misses nothing in between', async () => {
    const { keyId, claims } = await make();
    await directory.stop();
    const subscribe = store.subscribeToAll.bind(store);
    let failures = 0;
    store.subscribeToAll = (options: SubscribeToAllOptions) => {
      if (failures === 3) return subscribe(options);
      failures += 1;
      throw new UnavailableError('away');
    };
    directory = createDirectory();
    await directory.start();
    await elsewhere.revoke({ tenant: 'acme', actor, keyId });
    await until(() => directory.isRevoked(claims), 'the revocation');
    expect(failures).toBe(3);
  });

  it('keeps the keys of its tenants at hand however many made-up tenants are named', async () => {
    const { key } = await make();
    await verify(key);
    const made = (tenant: number) => `vbk_nobody-${tenant}_${'0'.repeat(32)}_${'A'.repeat(43)}`;
    for (let i = 0; i < 1_001; i += 1) expect((await verify(made(i))).kind).toBe('invalid');
    reads = [];
    expect((await verify(key)).kind).toBe('valid');
    expect(reads).toEqual([]);
  });

  it('answers nothing while the log cannot be read, and reads again when it can', async () => {
    const { key } = await make();
    await directory.stop();
    directory = createDirectory();
    const read = store.readStream.bind(store);
    store.readStream = () => {
      throw new UnavailableError('away');
    };
    await expect(verify(key)).rejects.toBeInstanceOf(UnavailableError);
    store.readStream = read;
    expect((await verify(key)).kind).toBe('valid');
  });
});
