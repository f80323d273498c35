/**
 * A process that is meant to be killed: opens the log in the folder it is given and appends to it for ever, from
 * several writers at once. Prints `ready`, and one line an acknowledged append:
 * `stream <revision of its last event> <ids of its events>`, written before the next append begins.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { newEvent } from './events.ts';

const WRITERS = 8;
const STREAMS = 6;

const [directory = '', round = '0'] = process.argv.slice(2);
const store = await openEmbeddedEventStore({ directory, segmentBytes: 60_000, indexFlushMs: 15, streamsCachedMax: 4 });
writeSync(1, 'ready\n');

async function write(writer: number): Promise<never> {
  for (let i = 0; ; i++) {
    const stream = `s${(writer + i) % STREAMS}`;
    const size = 1 + ((i * 7 + writer) % 4);
    const name = `${round}-${writer}-${i}`;
    const events = Array.from({ length: size }, (_, at) =>
      newEvent({ append: name, at, size, text: 'x'.repeat((i * 131) % 1500) }),
    );
    const { revision } = await store.append(stream, events, { expectedRevision: 'any' });
    writeSync(1, `${stream} ${revision} ${events.map(event => event.id).join(',')}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
