/**
 * A process that is meant to be killed: appends, truncates and scavenges for ever in the folder it is given. Prints
 * `ready`, `intends <stream> <before>` before each truncation, `truncated <stream> <before>` and `appended <stream>
 * <revision> <id>` after each that was acknowledged, `scavenged <events dropped>` after each run.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { newEvent } from './events.ts';

const STREAMS = 5;
const KEPT = 4n;

const [directory = ''] = process.argv.slice(2);
const store = await openEmbeddedEventStore({ directory, segmentBytes: 20_000, tailBytesMax: 4_000, indexFlushMs: 15 });
const say = (line: string) => writeSync(1, `${line}\n`);
say('ready');

async function write(writer: number): Promise<never> {
  for (let i = 0; ; i++) {
    const stream = `s${(writer + i) % STREAMS}`;
    const event = newEvent('x'.repeat((i * 131) % 900));
    const { revision } = await store.append(stream, [event], { expectedRevision: 'any' });
    say(`appended ${stream} ${revision} ${event.id}`);
    if (i % 20 !== 19) continue;
    const before = revision - KEPT;
    say(`intends ${stream} ${before}`);
    await store.setStreamMetadata(stream, { truncateBefore: before < 0n ? 0n : before }, { expectedRevision: 'any' });
    say(`truncated ${stream} ${before}`);
  }
}

async function scavenge(): Promise<never> {
  for (;;) {
    const { eventsDropped } = await store.scavenge({ savedShareMin: 0, bytesPerSecondMax: 20_000_000 });
    say(`scavenged ${eventsDropped}`);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

await Promise.all([write(0), write(1), write(2), scavenge()]);
