/** A MongoDB that dies, hangs, or breaks off in the middle: nothing lost, nothing twice, told in bounded time, and well again after. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import { BadMongoDbUrlError, openMongoDbReadStore } from '../../src/read-store/read-store.mongodb.ts';
import type { Generation, ReadStore, StoredDocument } from '../../src/read-store/read-store.ts';
import { findSecantusDb } from '../support/external-tools.ts';
import { startMongoDb } from '../support/mongodb-server.ts';
import type { MongoDbProcess } from '../support/mongodb-server.ts';
import { SCHEMA, at, names, put, thing } from './things.ts';

const PATIENT_MS = 30_000;
const HASTY_MS = 1_500;
/** Beyond the bound itself: what a busy machine takes to notice. */
const NOTICE_MS = 3_000;
/** In a row of commits; each costs as long as the store takes to say so. */
const FAILURES_MAX = 200;

async function open(url: string, timeoutMs: number): Promise<ReadStore> {
  const store = await openMongoDbReadStore({ url, timeoutMs });
  onTestFinished(() => store.close());
  return store;
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => {
      throw new Error('It did not fail.');
    },
    (error: unknown) => error as Error,
  );
}

async function all(generation: Generation): Promise<readonly StoredDocument[]> {
  return generation.page('things', { after: undefined, limit: 10_000 });
}

/** As the projector does: after a failure it looks where the store is. Documents say at which position they came. */
async function project(generation: Generation, until: number, failed: (error: Error) => Promise<void>): Promise<void> {
  for (let failures = 0; ;) {
    try {
      const from = await generation.checkpoint();
      const position = (from?.position ?? 0) + 1;
      if (position > until) return;
      const [count] = await generation.load<StoredDocument & { readonly rank: number }>('things', ['acme/count']);
      const counted = thing('count', { rank: (count?.rank ?? 0) + 1, position });
      const writes = [put(thing(`${position}`, { position })), { ...put(counted), before: count }];
      await generation.commit({ from, to: at(position), writes });
    } catch (error) {
      failures += 1;
      if (!(error instanceof UnavailableError) || failures > FAILURES_MAX) throw error;
      await failed(error);
    }
  }
}

async function expectExactlyOnce(generation: Generation, until: number): Promise<void> {
  expect(await generation.checkpoint()).toEqual(at(until));
  const positions = Array.from({ length: until }, (_, i) => `${i + 1}`);
  const documents = await all(generation);
  expect(names(documents).toSorted()).toEqual([...positions, 'count'].toSorted());
  expect(documents.find(({ _id }) => _id === 'acme/count')).toEqual(thing('count', { rank: until, position: until }));
}

describe.skipIf(!findSecantusDb().found)('a MongoDB that fails', () => {
  let server: MongoDbProcess;
  beforeAll(async () => {
    server = await startMongoDb();
  });
  afterAll(() => server.dispose());

  const failing = async (mode: 'alwaysOn' | { readonly times: number }, data: object): Promise<void> => {
    await server.admin({ configureFailPoint: 'failCommand', mode, data });
    onTestFinished(async () => {
      await server.admin({ configureFailPoint: 'failCommand', mode: 'off' });
    });
  };

  it.each([
    ['a commit whose answer is lost', ['commitTransaction'], { closeConnection: true }],
    ['a transaction that meets a conflict', ['update'], { errorCode: 112, errorLabels: ['TransientTransactionError'] }],
    [
      'a commit that the server says to try again',
      ['commitTransaction'],
      { errorCode: 11_602, errorLabels: ['RetryableWriteError'] },
    ],
    ['a read whose connection breaks', ['find'], { closeConnection: true }],
    ['a primary that steps down while it is read', ['find'], { errorCode: 10_107 }],
  ])('is not even noticed by %s, once', async (_, failCommands, data) => {
    const store = await open(server.freshUrl(), PATIENT_MS);
    const generation = await store.generation(SCHEMA, 1);
    await failing({ times: 1 }, { failCommands, ...data });
    await project(generation, 3, error => Promise.reject(error));
    await expectExactlyOnce(generation, 3);
    expect(store.trouble()).toBeUndefined();
  });

  it.each([
    ['commits break off', { failCommands: ['commitTransaction'], closeConnection: true }],
    [
      'commits are not known to have reached a majority',
      { failCommands: ['commitTransaction'], writeConcernError: { code: 64, errmsg: 'timed out' } },
    ],
    [
      'transactions are never let through',
      { failCommands: ['insert', 'update'], errorCode: 112, errorLabels: ['TransientTransactionError'] },
    ],
    ['reads break off', { failCommands: ['find'], closeConnection: true }],
    ['the user is refused', { failCommands: ['find', 'update'], errorCode: 13 }],
  ])('says that it is unavailable while %s, and has everything once after', async (_, data) => {
    const store = await open(server.freshUrl(), PATIENT_MS);
    const generation = await store.generation(SCHEMA, 1);
    await project(generation, 2, error => Promise.reject(error));
    await failing('alwaysOn', data);
    let failures = 0;
    await project(generation, 5, async () => {
      failures += 1;
      if (failures < 3) return;
      expect(store.trouble()).toMatch(/^MongoDB cannot be used now: /);
      await server.admin({ configureFailPoint: 'failCommand', mode: 'off' });
    });
    expect(failures).toBe(3);
    await expectExactlyOnce(generation, 5);
    expect(store.trouble()).toBeUndefined();
  });

  it('says that it is unavailable where the last try of a commit finds another document than was loaded', async () => {
    const store = await open(server.freshUrl(), PATIENT_MS);
    const generation = await store.generation(SCHEMA, 1);
    await project(generation, 1, error => Promise.reject(error));
    const lastTry = { times: 4 };
    await failing(lastTry, { failCommands: ['update'], errorCode: 112, errorLabels: ['TransientTransactionError'] });
    const writes = [{ ...put(thing('1', { position: 2 })), before: thing('1', { position: 0 }) }];
    const commit = () => generation.commit({ from: at(1), to: at(2), writes });
    expect(await failureOf(commit())).toBeInstanceOf(UnavailableError);
    expect(await generation.checkpoint()).toEqual(at(1));
    expect(await commit()).toBe('committed');
  });

  it('has a commit that it has not acknowledged once: it is neither lost nor done twice', async () => {
    const store = await open(server.freshUrl(), PATIENT_MS);
    const generation = await store.generation(SCHEMA, 1);
    await failing('alwaysOn', {
      failCommands: ['commitTransaction'],
      writeConcernError: { code: 64, errmsg: 'timed out' },
    });
    const write = { from: undefined, to: at(1), writes: [put(thing('a'))] };
    expect(await failureOf(generation.commit(write))).toBeInstanceOf(UnavailableError);
    await server.admin({ configureFailPoint: 'failCommand', mode: 'off' });
    expect(await generation.checkpoint()).toEqual(at(1));
    expect(await generation.commit(write)).toBe('stale');
    expect(await all(generation)).toEqual([thing('a')]);
  });

  it('hangs for as long as one operation may take and no longer, and goes on where it was', async () => {
    const store = await open(server.freshUrl(), HASTY_MS);
    const generation = await store.generation(SCHEMA, 1);
    await project(generation, 1, error => Promise.reject(error));
    server.hang();
    onTestFinished(() => server.goOn());
    const works = [
      () => generation.checkpoint(),
      () => generation.commit({ from: at(1), to: at(2), writes: [put(thing('late', { position: 2 }))] }),
      () => store.catalog('sundries'),
    ];
    const begunMs = performance.now();
    for (const failure of await Promise.all(works.map(work => failureOf(work()))))
      expect(failure).toBeInstanceOf(UnavailableError);
    expect(performance.now() - begunMs).toBeLessThan(HASTY_MS + NOTICE_MS);
    expect(store.trouble()).toBeDefined();
    server.goOn();
    await project(generation, 4, () => delay(50));
    expect(await generation.checkpoint()).toEqual(at(4));
    // The commit that was given up had not begun, or was brought to its end: in both cases it is in whole, or not at all.
    const [count] = await generation.load<StoredDocument & { readonly rank: number }>('things', ['acme/count']);
    const [late] = await generation.load('things', ['acme/late']);
    expect(count?.rank).toBe(late === undefined ? 4 : 3);
    expect(store.trouble()).toBeUndefined();
  });

  it(
    'is killed again and again while it is written to, and has lost nothing and nothing twice',
    { timeout: 180_000 },
    async () => {
      const url = server.freshUrl();
      const store = await open(url, PATIENT_MS);
      const generation = await store.generation(SCHEMA, 1);
      const until = 120;
      const projecting = project(generation, until, () => delay(50));
      for (const waitMs of [30, 150, 400]) {
        await delay(waitMs);
        await server.kill9();
        await server.start();
      }
      await projecting;
      await expectExactlyOnce(generation, until);
      const again = await (await open(url, PATIENT_MS)).generation(SCHEMA, 1);
      await expectExactlyOnce(again, until);
    },
  );

  it('is told of when it is away from the start, and used when it comes', { timeout: 60_000 }, async () => {
    const url = server.freshUrl();
    await server.kill9();
    const store = await open(url, HASTY_MS);
    const begunMs = performance.now();
    const failure = await failureOf(store.generation(SCHEMA, 1));
    expect(performance.now() - begunMs).toBeLessThan(HASTY_MS + NOTICE_MS);
    expect(failure).toBeInstanceOf(UnavailableError);
    expect(store.trouble()).toBe(failure.message);
    await server.start();
    // What was begun while it was away may still be going on.
    const opened = await store.generation(SCHEMA, 1).catch(() => store.generation(SCHEMA, 1));
    expect(await opened.checkpoint()).toBeUndefined();
    expect(store.trouble()).toBeUndefined();
  });
});

describe('what is told of a MongoDB', () => {
  it('never holds the password of its URL', async () => {
    const store = await open('mongodb://verbatim:s3cret%21@127.0.0.1:1/verbatim?replicaSet=rs0', 200);
    const failure = await failureOf(store.catalog('sundries'));
    expect(failure).toBeInstanceOf(UnavailableError);
    const told = JSON.stringify([failure.message, failure.stack, store.trouble(), causesOf(failure)]);
    expect(told).not.toMatch(/s3cret/);
    expect(told).toContain('has not answered');
  });

  it.each([
    'mongodb://user:s3cret@',
    'mongodb://u:s3cret@host:port/x',
    'http://u:s3cret@host',
    'mongodb://h/?s3cret=1',
  ])('refuses %j without showing it', async url => {
    const failure = await failureOf(openMongoDbReadStore({ url }));
    expect(failure).toBeInstanceOf(BadMongoDbUrlError);
    expect(JSON.stringify([failure.message, failure.stack, causesOf(failure)])).not.toContain('s3cret');
  });

  it('is that it was let go of, once it is closed', async () => {
    const store = await openMongoDbReadStore({ url: 'mongodb://127.0.0.1:1/?replicaSet=rs0', timeoutMs: 200 });
    await store.close();
    expect(store.trouble()).toContain('let go of');
    expect(await failureOf(store.catalog('sundries'))).toBeInstanceOf(UnavailableError);
  });
});

function causesOf(error: unknown): string[] {
  return error instanceof Error ? [`${error.message} ${error.stack ?? ''}`, ...causesOf(error.cause)] : [];
}
