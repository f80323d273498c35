/**
 * Several messages of one answer as one write. grpc-js frames and writes each message by itself, which costs some ten
 * times what the message does (docs/decisions/0011); it asks what it serialises only for its length and to copy itself
 * behind a header of five bytes. A run answers with the whole, its messages framed already, header of the first included.
 */

const FRAME_HEADER_BYTES = 5;

/** What a handler writes: at least one message. */
export type MessageRun = readonly Buffer[];

/** The part of a Buffer that grpc-js uses of what a serializer gave it. */
interface Serialized {
  readonly byteLength: number;
  copy(target: Buffer): number;
}

export function serializeRun(messages: MessageRun): Buffer {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) return only;
  let bytes = 0;
  for (const message of messages) bytes += FRAME_HEADER_BYTES + message.length;
  const run: Serialized = {
    byteLength: bytes - FRAME_HEADER_BYTES,
    copy: target => {
      let at = 0;
      for (const message of messages) {
        target[at] = 0;
        target.writeUInt32BE(message.length, at + 1);
        target.set(message, at + FRAME_HEADER_BYTES);
        at += FRAME_HEADER_BYTES + message.length;
      }
      return at;
    },
  };
  // A Buffer to the type of a serializer; the versions are pinned, and a test holds that this is all grpc-js asks of it.
  return run as unknown as Buffer;
}
