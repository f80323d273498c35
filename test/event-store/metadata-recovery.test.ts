import { expect, test } from 'vitest';
import { METADATA_TYPE, metadataStream } from '../../src/event-store/metadata.ts';
import { newEvent } from './events.ts';
import { openLog } from './log-folder.ts';

test('metadata that is not the last event of its append limits its stream at once, as it does after opening again', async () => {
  const { store, directory } = await openLog();
  await store.append('s', [newEvent(1), newEvent(2), newEvent(3)], { expectedRevision: 'no-stream' });
  const metadata = { ...newEvent(), type: METADATA_TYPE, data: Buffer.from('{"$maxCount":1}') };
  await store.append(metadataStream('s'), [metadata, newEvent()], { expectedRevision: 'no-stream' });
  const before = await store.streamBounds('s');
  await store.close();
  const { store: again } = await openLog({ directory });
  expect(before).toEqual({ first: 2n, head: 2n });
  expect(await again.streamBounds('s')).toEqual(before);
});
