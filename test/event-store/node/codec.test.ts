import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedMessageError } from '../../../src/event-store/node/protobuf.ts';
import { decodeAppend, decodeBatchAppend, decodeRead } from '../../../src/event-store/node/stream-requests.ts';
import { encodeEvent } from '../../../src/event-store/node/stream-responses.ts';
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import type * as Shared from '@eventstore/db-client/generated/shared_pb.js';

const require = createRequire(import.meta.url);
// Required, not imported: the generated code assigns to a global as it loads.
const { AppendReq, BatchAppendReq, ReadResp } =
  require('@eventstore/db-client/generated/streams_pb.js') as typeof Streams;
const { Empty, StreamIdentifier, UUID } = require('@eventstore/db-client/generated/shared_pb.js') as typeof Shared;

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
const bytes = fc.uint8Array({ maxLength: 300 }).map(Buffer.from);
const number = fc.oneof(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 300n), fc.constant(2n ** 63n - 1n));
const contentType = fc.constantFrom('application/json' as const, 'application/octet-stream' as const);

function uuidOf(id: string): Shared.UUID {
  const uuid = new UUID();
  uuid.setString(id);
  return uuid;
}

function identifierOf(stream: string): Shared.StreamIdentifier {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream).toString('base64'));
  return identifier;
}

describe('what the node codes by hand and what the generated code does', () => {
  it('an event of ours is read by the generated code as it is', () => {
    const event = fc.record({
      ...{ stream: name, type: name, id: fc.uuid(), revision: number, position: number, contentType },
      ...{ data: bytes, metadata: bytes, createdMs: fc.integer({ min: 0, max: 4_000_000_000_000 }) },
    });
    fc.assert(
      fc.property(event, given => {
        const read = ReadResp.deserializeBinary(encodeEvent(given, false)).getEvent();
        const recorded = read?.getEvent();
        expect({
          id: recorded?.getId()?.getString(),
          stream: Buffer.from(recorded?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString(),
          revision: recorded?.getStreamRevision(),
          positions: [recorded?.getCommitPosition(), recorded?.getPreparePosition(), read?.getCommitPosition()],
          metadata: Object.fromEntries(recorded?.getMetadataMap().getEntryList() ?? []),
          data: Buffer.from(recorded?.getData_asU8() ?? []),
          custom: Buffer.from(recorded?.getCustomMetadata_asU8() ?? []),
        }).toEqual({
          id: given.id,
          stream: given.stream,
          revision: String(given.revision),
          positions: Array(3).fill(String(given.position)),
          metadata: { type: given.type, created: String(given.createdMs * 10_000), 'content-type': given.contentType },
          data: given.data,
          custom: given.metadata,
        });
      }),
    );
  });

  it('an append written by the generated code is read by ours as it is', () => {
    const given = fc.record({ stream: name, type: name, id: fc.uuid(), expected: number, data: bytes, contentType });
    fc.assert(
      fc.property(given, ({ stream, type, id, expected, data, contentType: kind }) => {
        const options = new BatchAppendReq.Options();
        options.setStreamIdentifier(identifierOf(stream));
        options.setStreamPosition(String(expected));
        const proposed = new BatchAppendReq.ProposedMessage();
        proposed.setId(uuidOf(id));
        proposed.getMetadataMap().set('type', type).set('content-type', kind);
        proposed.setData(data.toString('base64'));
        const request = new BatchAppendReq();
        request.setCorrelationId(uuidOf(id));
        request.setOptions(options);
        request.setProposedMessagesList([proposed, proposed]);
        request.setIsFinal(true);
        const decoded = decodeBatchAppend(Buffer.from(request.serializeBinary()), 0);
        const event = { id, type, data, metadata: Buffer.alloc(0), contentType: kind, hasContentType: true };
        expect(decoded).toMatchObject({ correlationId: id, isFinal: true, events: [event, event] });
        expect(decoded.options).toEqual({ stream, expectedRevision: expected, timeoutMs: Infinity });
      }),
    );
  });

  it('the modes of an append are told apart', () => {
    const modes = { setAny: 'any', setNoStream: 'no-stream', setStreamExists: 'stream-exists' } as const;
    for (const [set, mode] of Object.entries(modes) as [keyof typeof modes, string][]) {
      const options = new AppendReq.Options();
      options.setStreamIdentifier(identifierOf('a'));
      options[set](new Empty());
      const request = new AppendReq();
      request.setOptions(options);
      const decoded = decodeAppend(Buffer.from(request.serializeBinary()));
      expect(decoded).toEqual({ kind: 'options', options: { stream: 'a', expectedRevision: mode } });
    }
  });

  it('whatever bytes come, reading them ends, and names what is wrong', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }).map(Buffer.from), given => {
        for (const decode of [decodeRead, decodeAppend, (some: Buffer) => decodeBatchAppend(some, 0)]) {
          try {
            decode(given);
          } catch (error) {
            expect(error).toSatisfy(
              some => some instanceof MalformedMessageError || (some as Error).name === 'BadAppendError',
            );
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
