import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ConversationEvent } from '../../src/domain/conversation/events.ts';
import type { RecordedEvent } from '../../src/event-store/event-store.ts';
import { plainCodec } from '../support/plain-codec.ts';
import type { Codec, Sealed, Unsealed } from '../../src/keyring/codec.ts';
import { storedEnvelope } from '../../src/schemas/envelope.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';
import { CorruptEventError, UnknownSchemaError } from '../../src/schemas/event-schemas.ts';
import type { EventSchema } from '../../src/schemas/event-schemas.ts';
import { personalFields } from '../../src/schemas/personal.ts';
import { tenantEventSchemas } from '../../src/schemas/tenant-events.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';

const STREAM = 'conversation-acme.42';
const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const ID = '018f3c5e-7b1a-7c3e-8d2f-0123456789ab';
const envelope = {
  correlationId: 'c1',
  causationId: 'c1',
  actor: { id: 'ann', role: 'visitor' },
  tenant: 'acme',
  commandId: 'c1',
  commandDigest: 'digest',
  occurredAt: AT,
  origin: 'live',
} as const;
const subjects = { visitor: 'the-visitor', author: 'the-author' };
const posted: ConversationEvent = {
  type: 'MessagePosted',
  data: { seq: 0, text: 'hi', format: 'plain', attachments: [] },
};
const serializer = createConversationSerializer({ codec: plainCodec });

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const stored = (schema: number) => json({ ...metadata, schema });
const metadata = {
  $correlationId: 'c1',
  $causationId: 'c1',
  actor: { id: 'ann', role: 'visitor' },
  tenant: 'acme',
  commandId: 'c1',
  commandDigest: 'digest',
  occurredAt: '2026-01-02T03:04:05.006Z',
  origin: 'live',
};

function record(event: Partial<RecordedEvent>): RecordedEvent {
  const where = { stream: STREAM, id: ID, revision: 3n, position: 30n, createdMs: AT + 1 };
  const what = { type: 'MessagePosted', data: json(posted.data), metadata: stored(2) };
  return { ...where, ...what, contentType: 'application/json', ...event };
}

describe('The event serializer', () => {
  it('writes data and an envelope that its schema takes', async () => {
    const [event] = await serializer.toEventData({ stream: STREAM, events: [posted], ids: [ID], envelope, subjects });
    expect(event).toMatchObject({ id: ID, type: 'MessagePosted', contentType: 'application/json' });
    expect(JSON.parse(Buffer.from(event?.data ?? []).toString())).toEqual(posted.data);
    const written: unknown = JSON.parse(Buffer.from(event?.metadata ?? []).toString());
    expect(written).toEqual({ ...metadata, schema: 2 });
    expect(storedEnvelope.parse(written)).toEqual(written);
  });

  it('reads what it wrote, any text unchanged, out of a view into a larger buffer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async text => {
        const event: ConversationEvent = { type: 'MessageEdited', data: { seq: 1, text } };
        const [written] = await serializer.toEventData({
          stream: STREAM,
          events: [event],
          ids: [ID],
          envelope,
          subjects,
        });
        if (!written) throw new Error('nothing written');
        const data = Buffer.concat([json('before'), written.data, json('after')]);
        const view = data.subarray(json('before').length, data.length - json('after').length);
        const [opened] = await serializer.open([record({ ...written, data: view })]);
        expect(opened).toEqual({
          event,
          id: ID,
          stream: STREAM,
          revision: 3n,
          position: 30n,
          at: AT,
          actor: envelope.actor,
          origin: 'live',
          commandId: 'c1',
          commandDigest: 'digest',
        });
      }),
    );
  });

  it('upcasts a message of schema 1', async () => {
    const older = record({ metadata: stored(1), data: json({ seq: 4, text: 'old', replyTo: 2 }) });
    const [opened] = await serializer.open([older]);
    expect(opened?.event).toEqual({
      type: 'MessagePosted',
      data: { seq: 4, text: 'old', replyTo: 2, format: 'plain', attachments: [] },
    });
  });

  it('stops at what a newer version wrote', async () => {
    await expect(serializer.open([record({}), record({ metadata: stored(3) })])).rejects.toThrow(UnknownSchemaError);
    await expect(serializer.open([record({ type: 'SomethingNewer', metadata: stored(1) })])).rejects.toThrow(
      new UnknownSchemaError(STREAM, 3n, 'SomethingNewer', 1, 0),
    );
  });

  it('names the stream and revision of what cannot be read, and quotes nothing of it', async () => {
    const broken: Partial<RecordedEvent>[] = [
      { data: Buffer.from('{"text":"private') },
      { data: json('private') },
      { data: json(['private']) },
      { metadata: Buffer.from('private') },
      { metadata: json({ private: true }) },
      { metadata: json({ ...metadata, schema: 2, occurredAt: 'private' }) },
      { metadata: json({ ...metadata, schema: 2, actor: 'private' }) },
      { metadata: stored(1), data: json({ private: true }) },
    ];
    for (const event of broken) {
      const error: unknown = await serializer.open([record(event)]).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(CorruptEventError);
      expect(error).toMatchObject({ stream: STREAM, revision: 3n });
      expect((error as Error).message).not.toContain('private');
      expect((error as Error).message).toContain(`${STREAM}@3`);
    }
  });

  it('reads an event of an older schema whose text was erased', async () => {
    const older = record({ metadata: stored(1), data: json({ seq: 0, text: null }) });
    const [opened] = await serializer.open([older]);
    expect(opened?.event.data).toEqual({ seq: 0, text: null, format: 'plain', attachments: [] });
  });

  it('takes null for nothing but what was erased', () => {
    for (const { current, older } of Object.values<EventSchema>({ ...conversationEventSchemas, ...tenantEventSchemas }))
      for (const schema of [current, ...older.map(({ schema }) => schema)]) {
        const json = z.toJSONSchema(schema);
        const nulls = JSON.stringify(json).match(/"null"/g) ?? [];
        expect(nulls).toHaveLength(personalFields(schema).length);
      }
  });

  it('tells the codec what is personal and whose it is, and asks it once a batch', async () => {
    const sealed: (readonly Unsealed[])[] = [];
    const opened: (readonly Sealed[])[] = [];
    const codec: Codec = {
      name: 'spy',
      seal: batch => (sealed.push(batch), plainCodec.seal(batch)),
      open: batch => (opened.push(batch), plainCodec.open(batch)),
    };
    const spied = createConversationSerializer({ codec });
    await spied.toEventData({
      stream: STREAM,
      events: [{ type: 'ConversationStarted', data: { channel: 'web' } }, posted],
      ids: [ID, ID],
      envelope,
      subjects,
    });
    expect(spied.codec.name).toBe('spy');
    const place = { tenant: 'acme', stream: STREAM, id: ID };
    expect(sealed).toMatchObject([[place, place]]);
    const fields = sealed[0]?.map(event => event.fields.map(({ path, subject }) => `${path.join('.')} ${subject}`));
    expect(fields).toEqual([
      ['topic the-visitor', 'attributes.* the-visitor'],
      ['text the-visitor', 'attachments.*.name the-visitor', 'source.author the-author'],
    ]);
    await spied.open([record({}), record({ revision: 4n })]);
    expect(opened).toMatchObject([[place, place]]);
  });
});
