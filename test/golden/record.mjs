// Records how a server that speaks EventStoreDB's protocol answers: seeded and directed scenarios through the official
// client, one JSON a line. This is the very recorder that asked a real EventStoreDB for the answers beside it, changed in
// three places: scenarios run side by side (they never meet), PERSISTENT=0 leaves persistent subscriptions out, and a
// subscription is quiet sooner (QUIET_MS).
// usage: node record.mjs CONNECTION_STRING OUT.ndjson [SEEDS [FIRST_SEED]]     (needs @eventstore/db-client beside it)
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import {
  EventStoreDBClient, jsonEvent, binaryEvent, ANY, NO_STREAM, STREAM_EXISTS, START, END, FORWARDS, BACKWARDS,
  persistentSubscriptionToStreamSettingsFromDefaults, eventTypeFilter, streamNameFilter,
} from '@eventstore/db-client';

const [url, out, seeds = '150', firstSeed = '1'] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
const run = randomUUID().slice(0, 8);
const file = createWriteStream(out);
const { QUIET_MS = '600', PERSISTENT = '1', SIDE_BY_SIDE = '1' } = process.env;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** Symbolic event id -> UUID, the same in every run of one scenario, distinct between scenarios. */
const uuidOf = (scenario, name) => {
  const h = createHash('sha1').update(`${run}:${scenario}:${name}`).digest('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-5${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20, 32)}`;
};
const expectedOf = (e) => ({ any: ANY, no_stream: NO_STREAM, stream_exists: STREAM_EXISTS })[e] ?? BigInt(e);
const num = (v) => (v === undefined ? undefined : typeof v === 'bigint' ? Number(v) : v);

class Scenario {
  constructor(name) { this.name = name; this.steps = []; this.names = new Map(); }
  real(stream) { return stream.startsWith('=') ? stream.slice(1) : `${run}_${this.name}_${stream}`; }
  shortId(id) { return this.names.get(id) ?? '?'; }
  short(stream) { return stream.replace(`${run}_${this.name}_`, ''); }
  id(name) { const u = uuidOf(this.name, name); this.names.set(u, name); return u; }
  async step(op, fn) {
    let result;
    try { result = { ok: await Promise.race([fn(), sleep(8000).then(() => { throw Object.assign(new Error('no answer'), { type: 'no-answer' }); })]) }; }
    catch (e) {
      result = { error: e.type ?? e.name ?? 'error' };
      if (e.expectedVersion !== undefined) result.expected = num(e.expectedVersion);
      if (e.actualVersion !== undefined) result.actual = num(e.actualVersion);
      if (e.maxAppendSize !== undefined) result.maxAppendSize = num(e.maxAppendSize);
      if (e.code !== undefined) result.code = e.code;
      if (result.error === 'error' || result.error === 'unknown' || result.error === 'Error') result.message = String(e.message).split('\n')[0].replaceAll(run + '_' + this.name + '_', '').slice(0, 160);
    }
    this.steps.push({ ...op, result });
    return result;
  }
  append(stream, expected, names, opts = {}) {
    return this.step({ op: 'append', stream, expected, events: names, ...opts }, async () => {
      const events = names.map((n) => jsonEvent({ id: this.id(n), type: opts.type ?? 'tested', data: { n: opts.size ? 'x'.repeat(opts.size) : n } }));
      const r = await client.appendToStream(this.real(stream), events, { expectedRevision: expectedOf(expected) });
      return { revision: num(r.nextExpectedRevision), hasPosition: r.position !== undefined };
    });
  }
  read(stream, direction = 'forwards', from = 'start', max = 100) {
    return this.step({ op: 'read', stream, direction, from, max }, async () => {
      const got = [];
      for await (const { event } of client.readStream(this.real(stream), {
        direction: direction === 'forwards' ? FORWARDS : BACKWARDS, maxCount: max,
        fromRevision: from === 'start' ? START : from === 'end' ? END : BigInt(from),
      })) got.push({ id: this.shortId(event.id), revision: num(event.revision), type: event.type });
      return { events: got };
    });
  }
  readAll(filter, from = 'start', direction = 'forwards', max = 1000) {
    return this.step({ op: 'readAll', filter, from, direction, max }, async () => {
      // the filtered $all is read by a subscription-free scan: only this scenario's streams are kept, in order
      const got = []; let last;
      for await (const { event } of client.readAll({ direction: direction === 'forwards' ? FORWARDS : BACKWARDS, fromPosition: direction === 'forwards' ? START : END, maxCount: 1000000 })) {
        if (!event || !event.streamId.startsWith(`${run}_${this.name}_`)) continue;
        if (filter?.types && !filter.types.includes(event.type)) continue;
        if (last !== undefined && direction === 'forwards' && !(event.position.commit > last)) throw new Error('position not increasing');
        last = event.position.commit;
        got.push({ stream: this.short(event.streamId), id: this.shortId(event.id), revision: event.revision > 10n ** 15n ? 'max' : num(event.revision), type: event.type });
        if (got.length >= max) break;
      }
      return { events: got };
    });
  }
  del(stream, expected) { return this.step({ op: 'delete', stream, expected }, async () => { await client.deleteStream(this.real(stream), { expectedRevision: expectedOf(expected) }); return {}; }); }
  tombstone(stream, expected) { return this.step({ op: 'tombstone', stream, expected }, async () => { await client.tombstoneStream(this.real(stream), { expectedRevision: expectedOf(expected) }); return {}; }); }
  setMeta(stream, metadata, expected = 'any') { return this.step({ op: 'setMetadata', stream, metadata, expected }, async () => { const r = await client.setStreamMetadata(this.real(stream), metadata, { expectedRevision: expectedOf(expected) }); return { revision: num(r.nextExpectedRevision) }; }); }
  getMeta(stream) { return this.step({ op: 'getMetadata', stream }, async () => { const r = await client.getStreamMetadata(this.real(stream)); const m = r.metadata ?? null; if (m && m.truncateBefore > 1e15) m.truncateBefore = 'max'; return { metadata: m }; }); }
  /** Subscribes and collects until `count` events came or it has been quiet for 300 ms. */
  subscribe(stream, from, count) {
    return this.step({ op: 'subscribe', stream, from, count }, async () => {
      const sub = client.subscribeToStream(this.real(stream), { fromRevision: from === 'start' ? START : from === 'end' ? END : BigInt(from) });
      const got = []; let caughtUpAfter; let ended = false;
      const done = (async () => { try { for await (const { event } of sub) { got.push({ id: this.shortId(event.id), revision: event.revision > 10n ** 15n ? 'max' : num(event.revision), ...(event.type === '$streamDeleted' ? { type: event.type } : {}) }); if (got.length >= count) break; } } catch (e) { ended = e.type ?? String(e.message); } })();
      sub.on('caughtUp', () => { caughtUpAfter ??= got.length; });
      await Promise.race([done, sleep(Number(QUIET_MS))]); await Promise.race([sub.unsubscribe().catch(() => {}), sleep(300)]);
      return { events: got, ...(ended ? { ended } : {}) };
    });
  }
  createGroup(stream, group, settings) { return this.step({ op: 'createGroup', stream, group, settings }, async () => { await client.createPersistentSubscriptionToStream(this.real(stream), group, persistentSubscriptionToStreamSettingsFromDefaults(this.settings(settings))); return {}; }); }
  updateGroup(stream, group, settings) { return this.step({ op: 'updateGroup', stream, group, settings }, async () => { await client.updatePersistentSubscriptionToStream(this.real(stream), group, persistentSubscriptionToStreamSettingsFromDefaults(this.settings(settings))); return {}; }); }
  deleteGroup(stream, group) { return this.step({ op: 'deleteGroup', stream, group }, async () => { await client.deletePersistentSubscriptionToStream(this.real(stream), group); return {}; }); }
  settings(s = {}) { return { ...s, startFrom: s.startFrom === undefined ? START : s.startFrom === 'start' ? START : s.startFrom === 'end' ? END : BigInt(s.startFrom) }; }
  /** Consumes a group: `verdicts` maps an event's symbolic id to a list of verdicts, one a delivery (default ack). */
  consume(stream, group, verdicts = {}, count = 100, quietMs = 900) {
    return this.step({ op: 'consume', stream, group, verdicts, count }, async () => {
      const sub = client.subscribeToPersistentSubscriptionToStream(this.real(stream), group, { bufferSize: 10 });
      const got = []; const seen = {}; let ended; let lastAt = Date.now();
      const loop = (async () => {
        try {
          for await (const e of sub) {
            const id = this.shortId(e.event.id); lastAt = Date.now();
            const k = (seen[id] = (seen[id] ?? 0) + 1);
            const verdict = (verdicts[id] ?? [])[k - 1] ?? 'ack';
            got.push({ id, revision: num(e.event.revision), retryCount: num(e.retryCount), verdict });
            if (verdict === 'ack') await sub.ack(e); else if (verdict !== 'none') await sub.nack(verdict, 'because', e);
            if (got.length >= count) break;
          }
        } catch (e) { ended = e.type ?? String(e.message); }
      })();
      while (Date.now() - lastAt < quietMs && got.length < count && !ended) await Promise.race([loop, sleep(100)]);
      await sleep(150); await Promise.race([sub.unsubscribe().catch(() => {}), sleep(300)]);
      if (ended && !got.length) { const e = new Error(ended); e.type = ended; throw e; }
      return { deliveries: got, ...(ended ? { ended } : {}) };
    });
  }
  /** Two consumers at once on one group; says which source streams each got, sorted (consumer strategies). */
  compete(stream, group, count) {
    return this.step({ op: 'compete', stream, group, count }, async () => {
      const subs = [0, 1].map(() => client.subscribeToPersistentSubscriptionToStream(this.real(stream), group, { bufferSize: 10 }));
      const got = [[], []];
      const loops = subs.map(async (sub, i) => { for await (const e of sub) { got[i].push(this.shortId(e.event.id)); await sub.ack(e); if (got[0].length + got[1].length >= count) break; } });
      await sleep(400);
      await client.appendToStream(this.real(stream), Array.from({ length: count }, (_, i) => jsonEvent({ id: this.id(`c${i}`), type: 'tested', data: {} })));
      await Promise.race([Promise.race(loops.map((l) => l.catch(() => {}))), sleep(2500)]); await sleep(200);
      await Promise.race([Promise.all(subs.map((s) => s.unsubscribe().catch(() => {}))), sleep(500)]);
      const all = [...got[0], ...got[1]].sort();
      return { all, busyConsumers: got.filter((g) => g.length).length };
    });
  }
  replayParked(stream, group) { return this.step({ op: 'replayParked', stream, group }, async () => { await client.replayParkedMessagesToStream(this.real(stream), group); return {}; }); }
  end() { file.write(JSON.stringify({ scenario: this.name, steps: this.steps }) + '\n'); }
}

const directed = {
  async 'expected-revision-on-missing'(s) {
    for (const [i, e] of ['any', 'no_stream', 'stream_exists', 0, 5].entries()) { await s.append(`a${i}`, e, [`x${i}`]); await s.read(`a${i}`); }
  },
  async 'expected-revision-on-existing'(s) {
    await s.append('a', 'no_stream', ['e0', 'e1', 'e2']);
    for (const [i, e] of ['any', 'no_stream', 'stream_exists', 0, 1, 9].entries()) { await s.append('a', e, [`n${i}`]); }
    await s.append('a', 4, ['m']); await s.append('a', 4, ['m2']); await s.read('a');
  },
  async 'empty-append'(s) { for (const e of ['any', 'no_stream', 'stream_exists', 0]) await s.append('a', e, []); await s.append('a', 'any', ['e0']); for (const e of ['any', 'no_stream', 'stream_exists', 0, 3]) await s.append('a', e, []); await s.read('a'); },
  async 'idempotent-exact'(s) {
    await s.append('a', 'no_stream', ['e0', 'e1', 'e2']); await s.append('a', 2, ['e3', 'e4']);
    await s.append('a', 2, ['e3', 'e4']); await s.append('a', 2, ['e3']); await s.append('a', 2, ['e4']); await s.append('a', 2, ['e3', 'e4', 'e5']);
    await s.append('a', 2, ['e3', 'z']); await s.append('a', 'no_stream', ['e0', 'e1', 'e2']); await s.append('a', 'no_stream', ['e0']); await s.append('a', 'no_stream', ['e0', 'e1', 'e2', 'e3', 'e4']);
    await s.append('a', 'no_stream', ['e1']); await s.append('a', 0, ['e1', 'e2']); await s.append('a', 4, ['e4']); await s.read('a');
  },
  async 'idempotent-any'(s) {
    await s.append('a', 'any', ['e0', 'e1']); await s.append('a', 'any', ['e0', 'e1']); await s.append('a', 'any', ['e1']); await s.append('a', 'any', ['e0']);
    await s.append('a', 'any', ['e1', 'e2']); await s.append('a', 'any', ['e2', 'e0']); await s.append('a', 'any', ['n0', 'e0']); await s.append('a', 'stream_exists', ['e0', 'e1']); await s.append('a', 'stream_exists', ['e1']); await s.read('a');
    await s.append('b', 'any', ['e0']); await s.append('b', 'any', ['e0']); await s.read('b');
  },
  async 'same-id-twice-in-one-append'(s) { await s.append('a', 'any', ['e0', 'e0']); await s.read('a'); await s.append('a', 'any', ['e0', 'e0']); await s.append('b', 'no_stream', ['f', 'f']); await s.read('b'); },
  async 'soft-delete'(s) {
    await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.del('a', 0); await s.del('a', 'no_stream'); await s.del('a', 2); await s.read('a'); await s.del('a', 'any');
    await s.subscribe('a', 'start', 9); await s.getMeta('a'); await s.append('a', 'stream_exists', ['f0']); await s.append('a', 'no_stream', ['f1']); await s.read('a'); await s.append('a', 3, ['f2']); await s.read('a'); await s.read('a', 'backwards', 'end'); await s.readAll(); await s.subscribe('a', 'start', 2);
  },
  async 'soft-delete-then-each-mode'(s) { for (const [i, e] of ['any', 'no_stream', 'stream_exists', 1, 0].entries()) { await s.append(`a${i}`, 'any', ['e0', 'e1'].map((x) => x + i)); await s.del(`a${i}`, 'any'); await s.append(`a${i}`, e, [`n${i}`]); await s.read(`a${i}`); } },
  async 'delete-missing'(s) { for (const e of ['any', 'no_stream', 0]) { await s.del('none', e); } await s.tombstone('gone', 'any'); await s.read('gone'); await s.append('gone', 'any', ['e']); },
  async tombstone(s) {
    await s.append('a', 'any', ['e0', 'e1']); await s.tombstone('a', 0); await s.tombstone('a', 1); await s.read('a'); await s.read('a', 'backwards', 'end', 1);
    for (const e of ['any', 'no_stream', 'stream_exists', 1]) await s.append('a', e, ['n']); await s.append('a', 'any', []); await s.tombstone('a', 'any'); await s.del('a', 'any'); await s.setMeta('a', { maxCount: 2 }); await s.getMeta('a'); await s.subscribe('a', 'start', 1); await s.readAll();
  },
  async 'metadata-max-count'(s) {
    await s.getMeta('a'); await s.setMeta('a', { maxCount: 2 }); await s.getMeta('a'); await s.append('a', 'stream_exists', ['x']); await s.append('a', 'no_stream', ['e0', 'e1', 'e2', 'e3']);
    await s.read('a'); await s.read('a', 'forwards', 0, 10); await s.read('a', 'backwards', 'end', 10); await s.subscribe('a', 'start', 2); await s.setMeta('a', { maxCount: 3 }, 0); await s.setMeta('a', { maxCount: 1 }, 0); await s.read('a'); await s.getMeta('a');
  },
  async 'metadata-truncate-before'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2', 'e3']); await s.setMeta('a', { truncateBefore: 2 }); await s.read('a'); await s.read('a', 'forwards', 1, 10); await s.read('a', 'backwards', 'end', 10); await s.setMeta('a', { truncateBefore: 4 }); await s.read('a'); await s.append('a', 3, ['e4']); await s.read('a'); await s.subscribe('a', 'start', 1); },
  async 'metadata-custom'(s) { await s.append('a', 'any', ['e0']); await s.setMeta('a', { owner: 'x', nested: { y: [1, 2] } }, 'no_stream'); await s.getMeta('a'); await s.setMeta('a', {}, 'any'); await s.getMeta('a'); await s.read('a'); },
  async 'read-edges'(s) {
    await s.read('none'); await s.read('none', 'backwards', 'end'); await s.append('a', 'any', ['e0', 'e1', 'e2', 'e3', 'e4']);
    for (const [d, f, m] of [['forwards', 'start', 2], ['forwards', 3, 10], ['forwards', 5, 10], ['forwards', 50, 10], ['forwards', 'end', 10], ['backwards', 'end', 2], ['backwards', 2, 10], ['backwards', 50, 10], ['backwards', 'start', 10], ['forwards', 'start', 0]]) await s.read('a', d, f, m);
  },
  async 'names-and-sizes'(s) {
    await s.append('=', 'any', ['e0']); await s.append('=$$', 'any', ['e1']); await s.append('with space/é/😀-1', 'any', ['e2']); await s.read('with space/é/😀-1');
    await s.append('big', 'any', ['b0'], { size: 900_000 }); await s.append('big', 'any', ['b1'], { size: 1_100_000 }); await s.append('big', 'any', ['c0', 'c1', 'c2'], { size: 500_000 }); await s.read('big', 'forwards', 'start', 1);
  },
  async 'all-order'(s) { for (let i = 0; i < 10; i++) await s.append(`s${i % 3}`, 'any', [`e${i}a`, `e${i}b`], { type: i % 2 ? 'odd' : 'even' }); await s.readAll(); await s.readAll({ types: ['odd'] }); await s.readAll(undefined, 'end', 'backwards', 5); },
  async subscribe(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.subscribe('a', 'start', 3); await s.subscribe('a', 0, 2); await s.subscribe('a', 2, 1); await s.subscribe('a', 9, 1); await s.subscribe('none', 'start', 1); await s.subscribe('a', 'end', 1); },
  async 'group-admin'(s) { await s.createGroup('a', 'g', {}); await s.createGroup('a', 'g', {}); await s.updateGroup('a', 'g', { maxRetryCount: 3 }); await s.updateGroup('a', 'none', {}); await s.deleteGroup('a', 'none'); await s.consume('a', 'none'); await s.replayParked('a', 'none'); await s.deleteGroup('a', 'g'); await s.deleteGroup('a', 'g'); },
  async 'group-ack'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.createGroup('a', 'g', {}); await s.consume('a', 'g', {}, 3); await s.consume('a', 'g', {}, 1); await s.append('a', 'any', ['e3']); await s.consume('a', 'g', {}, 1); },
  async 'group-start'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.createGroup('a', 'end', { startFrom: 'end' }); await s.createGroup('a', 'one', { startFrom: 1 }); await s.consume('a', 'end', {}, 1); await s.append('a', 'any', ['e3']); await s.consume('a', 'end', {}, 1); await s.consume('a', 'one', {}, 3); },
  async 'group-retry'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.createGroup('a', 'g', { maxRetryCount: 2 }); await s.consume('a', 'g', { e1: ['retry', 'retry', 'ack'] }, 5); },
  async 'group-retry-then-park'(s) { await s.append('a', 'any', ['e0', 'e1']); await s.createGroup('a', 'g', { maxRetryCount: 2 }); await s.consume('a', 'g', { e0: ['retry', 'retry', 'retry', 'retry', 'retry'] }, 9); await s.replayParked('a', 'g'); await s.consume('a', 'g', {}, 1); },
  async 'group-park-replay'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.createGroup('a', 'g', {}); await s.consume('a', 'g', { e0: ['park'], e2: ['park'] }, 3); await s.consume('a', 'g', {}, 1); await s.replayParked('a', 'g'); await s.consume('a', 'g', { e2: ['park'] }, 2); await s.replayParked('a', 'g'); await s.consume('a', 'g', {}, 2); },
  async 'group-skip'(s) { await s.append('a', 'any', ['e0', 'e1']); await s.createGroup('a', 'g', {}); await s.consume('a', 'g', { e0: ['skip'] }, 2); await s.consume('a', 'g', {}, 1); },
  async 'group-timeout'(s) { await s.append('a', 'any', ['e0', 'e1']); await s.createGroup('a', 'g', { messageTimeout: 500, maxRetryCount: 3 }); await s.consume('a', 'g', { e0: ['none', 'ack'] }, 3, 2500); },
  async 'group-dispatch-to-single'(s) { await s.createGroup('a', 'g', { consumerStrategyName: 'DispatchToSingle' }); await s.compete('a', 'g', 6); },
  async 'group-round-robin'(s) { await s.createGroup('a', 'g', { consumerStrategyName: 'RoundRobin' }); await s.compete('a', 'g', 6); },
  async 'group-pinned-one-stream'(s) { await s.createGroup('a', 'g', { consumerStrategyName: 'Pinned' }); await s.compete('a', 'g', 6); },
  async 'group-unacked-disconnect'(s) { await s.append('a', 'any', ['e0', 'e1', 'e2']); await s.createGroup('a', 'g', {}); await s.consume('a', 'g', { e0: ['none'], e1: ['ack'], e2: ['none'] }, 3); await s.consume('a', 'g', {}, 2); },
};

function random(seed) { let x = seed * 2654435761 >>> 0 || 1; return (n) => { x ^= x << 13; x >>>= 0; x ^= x >>> 17; x ^= x << 5; x >>>= 0; return x % n; }; }

async function seeded(s, seed) {
  const r = random(seed); const streams = ['a', 'b']; const heads = { a: -1, b: -1 };
  for (let k = 0; k < 24; k++) {
    const stream = streams[r(2)];
    const roll = r(20);
    if (roll < 13) {
      const near = heads[stream];
      const expected = ['any', 'no_stream', 'stream_exists', Math.max(0, near), Math.max(0, near - 1), Math.max(0, near - 2), near + 1][r(7)];
      const first = r(8); const events = Array.from({ length: 1 + r(3) }, (_, i) => `e${(first + (r(4) ? i : r(8))) % 10}`);
      const result = await s.append(stream, expected, events);
      if (result.ok) heads[stream] = Math.max(heads[stream], result.ok.revision);
    } else if (roll < 16) { const back = r(2) === 0; await s.read(stream, back ? 'backwards' : 'forwards', ['start', back ? 'end' : r(4), r(6)][r(3)], 1 + r(12)); }
    else if (roll < 17) await s.del(stream, ['any', 'no_stream', Math.max(0, heads[stream])][r(3)]);
    else if (roll < 18) await s.setMeta(stream, r(2) ? { maxCount: 1 + r(4) } : { truncateBefore: r(5) });
    else if (roll < 19) await s.subscribe(stream, ['start', r(4)][r(2)], 1 + r(6));
    else if (seed % 7 === 0 && k > 18) await s.tombstone(stream, 'any');
    else await s.getMeta(stream);
  }
  for (const stream of streams) await s.read(stream);
}

const waiting = [];
if (firstSeed === '1') for (const [name, fn] of Object.entries(directed)) if (PERSISTENT === '1' || !name.startsWith('group-')) waiting.push([name, fn]);
for (let i = Number(firstSeed); i < Number(firstSeed) + Number(seeds); i++) waiting.push([`seed-${i}`, (s) => seeded(s, i)]);
async function work() { for (let next = waiting.shift(); next; next = waiting.shift()) { const s = new Scenario(next[0]); await next[1](s); s.end(); } }
await Promise.all(Array.from({ length: Number(SIDE_BY_SIDE) }, work));
file.end(); await client.dispose?.();
