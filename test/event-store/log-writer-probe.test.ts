/** What is appended while the writer tries a disk that had failed. */
import { expect, test } from 'vitest';
import { LogReader } from '../../src/event-store/embedded/log-reader.ts';
import { LogWriter } from '../../src/event-store/embedded/log-writer.ts';
import type { RecordParts } from '../../src/event-store/embedded/record.ts';
import { SegmentFiles } from '../../src/event-store/embedded/segments.ts';
import { Tail } from '../../src/event-store/embedded/tail.ts';
import { tempFolder } from '../support/temp-folder.ts';

const EVENTS = 40;

function record(revision: number): RecordParts {
  return {
    ...{ id: '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77', revision, createdMs: 0, json: true, lastOfAppend: true },
    ...{ stream: Buffer.from('s-a.1'), type: Buffer.from('T'), data: Buffer.alloc(300), metadata: Buffer.alloc(0) },
  };
}

test('an append in the turn in which a probe ends is written by one writer alone', async () => {
  const files = await SegmentFiles.open(await tempFolder());
  const hooks = { groupDurable: () => undefined, groupSettled: () => undefined };
  const writer = await LogWriter.open(files, { segmentBytes: 1_000_000, queueBytesMax: 1_000_000 }, hooks);
  const positions: number[] = [];
  const append = (): Promise<void> =>
    new Promise((durable, failed) => {
      positions.push(...writer.enqueue([record(positions.length)], { durable, failed }));
    });
  const probed = writer.probe();
  await append();
  // The turn after it is durable, and each of those that follow, while that group is on its way to the disk.
  const later: Promise<void>[] = [];
  for (let i = 1; i < EVENTS; i++) {
    later.push(append());
    await Promise.resolve();
  }
  await Promise.all(later);
  expect(await probed).toBe(true);
  await writer.close();
  const reader = new LogReader(files, new Tail(0), 10_000);
  const read = await reader.records(positions);
  expect(read.map(({ revisionNumber }) => revisionNumber)).toEqual(positions.map((_, i) => i));
  await files.close();
});
