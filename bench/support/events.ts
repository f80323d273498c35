/** Events of the size and shape the product writes: a chat message of some 200 bytes in an envelope of some 300. */
import { randomUUID } from 'node:crypto';
import type { EventData } from '../../src/event-store/event-store.ts';

const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);

const METADATA = Buffer.from(
  JSON.stringify({
    $correlationId: '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77',
    $causationId: '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77',
    actor: { id: 'visitor-0199f3a2', role: 'visitor' },
    tenant: 'default',
    commandId: '0199f3a2-7c1e-7d3b-9d53-6f0a9c2b1e77',
    commandDigest: 'x'.repeat(43),
    occurredAt: 1_700_000_000_000,
    origin: 'live',
    schema: 2,
  }),
);
const DATA = Buffer.from(JSON.stringify({ seq: 17, text: TEXT, format: 'plain', attachments: [] }));

/** A new id around the same bytes: encoding JSON is not the store's work, and not what is measured. */
export function messageEvent(): EventData {
  return { id: randomUUID(), type: 'MessagePosted', data: DATA, metadata: METADATA, contentType: 'application/json' };
}
