import { randomUUID } from 'node:crypto';
import { Metadata, status } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../src/errors.ts';
import type { EventStoreDb, EventStoreDbOptions } from '../../src/event-store/event-store.eventstoredb.ts';
import { openEventStoreDb } from '../../src/event-store/event-store.eventstoredb.ts';
import { startStubServer } from './eventstoredb-server.ts';
import type { StubbedCalls } from './eventstoredb-server.ts';
import { failure, Follower, newEvents, newStream } from './events.ts';
import { connect, serveLog } from './served-store.ts';

async function against(calls: StubbedCalls, options: Omit<EventStoreDbOptions, 'url'> = {}): Promise<EventStoreDb> {
  const server = await startStubServer(calls);
  const url = `esdb://127.0.0.1:${server.port}?tls=false`;
  const store = await connect(url, { random: () => 0.01, deadlineMs: 500, appendTimeoutMs: 3_000, ...options });
  onTestFinished(async () => {
    await store.close();
    server.close();
  });
  return store;
}

function recorded(revision: number, data = Buffer.alloc(0)): streams.ReadResp {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(randomUUID()))
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from('s')))
    .setStreamRevision(String(revision))
    .setCommitPosition(String(revision * 100))
    .setPreparePosition(String(revision * 100))
    .setData(data);
  event
    .getMetadataMap()
    .set('type', 'Tested')
    .set('content-type', 'application/json')
    .set('created', '17638703345678900');
  return new streams.ReadResp().setEvent(new streams.ReadResp.ReadEvent().setEvent(event));
}

function confirmation(): streams.ReadResp {
  return new streams.ReadResp().setConfirmation(new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('x'));
}

describe('a server that', () => {
  it('says "Consumer too slow" is subscribed again behind the last event, which may come twice', async () => {
    const asked: string[] = [];
    const store = await against({
      subscribe: call => {
        const from = call.request.getOptions()?.getStream();
        asked.push(from?.hasRevision() === true ? from.getRevision() : 'start');
        const first = asked.length === 1 ? 0 : Number(asked.at(-1));
        call.write(confirmation());
        for (let revision = first; revision < first + 4; revision++) call.write(recorded(revision));
        const error = { code: status.ABORTED, details: 'Consumer too slow' };
        call.emit('error', Object.assign(new Error('slow'), error));
      },
    });
    const follower = new Follower(signal => store.subscribeToStream('s', { after: 'start', signal }));
    await follower.until(seen => seen.events.length >= 10);
    await follower.stop();
    expect(follower.revisions.slice(0, 10).map(Number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(asked.slice(0, 3)).toEqual(['start', '3', '6']);
    expect(follower.events[0]?.createdMs).toBe(1_763_870_334_567);
  });

  it('never says that the end is reached, being older than 23.10, is believed to be at the last event there was', async () => {
    const store = await against({ version: '22.10.5', subscribe: call => call.write(confirmation()) });
    const follower = new Follower(signal => store.subscribeToAll({ after: 'start', signal }));
    await follower.until(seen => seen.caughtUps === 1);
    await follower.stop();
  });

  it('is no leader is left for the one that it names', async () => {
    const log = await serveLog();
    onTestFinished(() => log.dispose());
    const metadata = new Metadata();
    metadata.set('exception', 'not-leader');
    metadata.set('leader-endpoint-host', '127.0.0.1');
    metadata.set('leader-endpoint-port', String(log.port));
    const store = await against({
      batchAppend: call => {
        call.once('data', () => {
          call.emit('error', Object.assign(new Error('no'), { code: status.NOT_FOUND, details: 'no', metadata }));
        });
      },
    });
    const stream = newStream();
    expect(await store.append(stream, newEvents(2), { expectedRevision: 'no-stream' })).toMatchObject({ revision: 1n });
    expect((await log.embedded().streamBounds(stream)).head).toBe(1n);
  });

  it('answers twice, late, or what was never asked, harms nobody', async () => {
    const store = await against({
      batchAppend: call => {
        call.on('data', (request: streams.BatchAppendReq) => {
          const success = new streams.BatchAppendResp.Success().setCurrentRevision('0');
          const answer = new streams.BatchAppendResp().setSuccess(success);
          call.write(answer.setCorrelationId(new shared.UUID().setString(randomUUID())));
          for (let times = 0; times < 3; times++) call.write(answer.setCorrelationId(request.getCorrelationId()));
        });
      },
    });
    for (let i = 0; i < 20; i++)
      expect(await store.append(newStream(), newEvents(1), { expectedRevision: 'any' })).toMatchObject({
        revision: 0n,
      });
  });

  it('never answers, or always fails, is given up in time, and says so', async () => {
    for (const batchAppend of [
      () => undefined,
      (call: { emit(event: 'error', error: Error): void }) => {
        call.emit('error', Object.assign(new Error('bug'), { code: status.INTERNAL, details: 'bug' }));
      },
    ]) {
      const store = await against({ batchAppend }, { deadlineMs: 100, appendTimeoutMs: 500 });
      expect(await failure(store.append('s', newEvents(1), { expectedRevision: 'any' }))).toBeInstanceOf(
        UnavailableError,
      );
    }
  });
});

describe('a log that', () => {
  it('has events larger than a page is read to its end, each once', async () => {
    const events = [1, 2, 3].map(revision => recorded(revision, Buffer.alloc(revision === 3 ? 1 : 5_000_000, 'x')));
    const asked: string[] = [];
    const store = await against(
      {
        read: call => {
          const options = call.request.getOptions();
          if (options?.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS) {
            const from = options.getAll()?.getPosition()?.getCommitPosition() ?? '0';
            asked.push(from);
            // A read that does not get on is ended here, so that it shows.
            const rest = asked.length > 8 ? [] : events.slice(Math.max(0, Number(from) / 100 - 1));
            for (const event of rest) call.write(event);
          }
          call.end();
        },
      },
      { deadlineMs: 5_000 },
    );
    const seen: bigint[] = [];
    for await (const { revision } of store.readAll()) seen.push(revision);
    expect(seen).toEqual([1n, 2n, 3n]);
    expect(asked.length).toBeLessThan(6);
  });
});

describe('a connection string', () => {
  it.for<[string, string]>([
    ['esdb://admin:sesame@', 'esdb://user:password@host:port'],
    ['esdb://admin:sesame@host:port', 'esdb://user:password@host:port'],
    ['esdb://admin:sesame@host?tls=maybe', 'esdb://user:password@host:port'],
    ['esdb://admin:sesame@host?tlss=true', '"tlss"'],
    ['http://admin:sesame@host', 'esdb://'],
    ['esdb://admin:open?sesame@host', 'esdb://user:password@host:port'],
    ['esdb://admin:open?sesame=a@host', 'esdb://user:password@host:port'],
    ['esdb://admin:sesame@host?tlsCAFile=/nowhere', '/nowhere'],
    ['esdb://admin:sesame@host?userCertFile=/x', 'needs both'],
  ])('that is bad is refused, and its password not told: %s', ([url, hint]) => {
    const said: string[] = [];
    const [warn, error] = [console.warn, console.error];
    console.warn = console.error = (...words: unknown[]) => said.push(words.join(' '));
    try {
      expect(() => openEventStoreDb({ url })).toThrow(hint);
      expect(() => openEventStoreDb({ url })).not.toThrow('sesame');
    } finally {
      [console.warn, console.error] = [warn, error];
    }
    expect(said).toEqual([]);
  });
});
