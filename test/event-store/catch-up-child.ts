/**
 * `write <folder> <events>`: appends so many events without ever writing the index, and ends as a power cut would.
 * `open <folder>`: opens the log, and prints one line a step of progress and one of what it took, as JSON.
 */
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { newEvent } from './events.ts';

const APPEND_EVENTS = 2_000;
const STREAMS = 500;
const NEVER = 2 ** 31 - 1;

const [mode, directory = '', events = '0'] = process.argv.slice(2);

async function write(): Promise<void> {
  const limits = { indexFlushMs: NEVER, indexFlushRowsMax: NEVER, queueBytesMax: 2 ** 30 };
  const store = await openEmbeddedEventStore({ directory, segmentBytes: 30_000_000, ...limits });
  const data = Buffer.from('{}');
  for (let appended = 0, i = 0; appended < Number(events); appended += APPEND_EVENTS, i++) {
    const batch = Array.from({ length: APPEND_EVENTS }, () => newEvent(0, { data }));
    const { revision } = await store.append(`s${i % STREAMS}`, batch, { expectedRevision: 'any' });
    if (revision < 0n) throw new Error('nothing was appended');
  }
  process.kill(process.pid, 'SIGKILL');
}

async function open(): Promise<void> {
  const rssMaxBefore = process.resourceUsage().maxRSS * 1024;
  const begun = performance.now();
  const store = await openEmbeddedEventStore({
    directory,
    onProgress: progress => {
      console.log(JSON.stringify(progress));
    },
  });
  const openMs = Math.round(performance.now() - begun);
  const grownBytes = process.resourceUsage().maxRSS * 1024 - rssMaxBefore;
  const bounds = await Promise.all(Array.from({ length: STREAMS }, (_, i) => store.streamBounds(`s${i}`)));
  const heads = bounds.map(({ head }) => Number(head));
  let readable = 0;
  for await (const event of store.readStream('s7')) if (event.revision === BigInt(readable)) readable++;
  console.log(JSON.stringify({ phase: 'opened', openMs, grownBytes, heads, readable }));
  await store.close();
}

await (mode === 'write' ? write() : open());
