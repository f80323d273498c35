/** What a client asks before it does anything else: what this server can do, and who is in its cluster. */
import { MessageWriter } from './protobuf.ts';

/** What is served is what a server of this version answers. */
export const SERVED_VERSION = '23.10.8';
const STATE_LEADER = 8;
const TICKS_A_MILLISECOND = 10_000n;
const ANSWER_BYTES_MAX = 4_096;

interface SupportedMethod {
  readonly service: string;
  readonly method: string;
  readonly features: readonly string[];
}

export function encodeSupportedMethods(methods: readonly SupportedMethod[]): Buffer {
  const writer = new MessageWriter(ANSWER_BYTES_MAX);
  writer.text(2, SERVED_VERSION);
  for (const { service, method, features } of methods.toReversed()) {
    const mark = writer.mark();
    for (const feature of features.toReversed()) writer.text(3, feature);
    writer.text(2, service.toLowerCase());
    writer.text(1, method.toLowerCase());
    writer.message(1, mark);
  }
  return writer.finish();
}

interface Member {
  readonly instanceId: string;
  readonly nowMs: number;
  readonly address: string;
  readonly port: number;
}

/** A cluster of one, which leads it. */
export function encodeClusterInfo({ instanceId, nowMs, address, port }: Member): Buffer {
  const writer = new MessageWriter(ANSWER_BYTES_MAX + address.length * 3);
  const member = writer.mark();
  const endPoint = writer.mark();
  writer.uint(2, port);
  writer.text(1, address);
  writer.message(5, endPoint);
  writer.uint(4, 1);
  writer.uint(3, STATE_LEADER);
  writer.uint(2, BigInt(Math.trunc(nowMs)) * TICKS_A_MILLISECOND);
  const id = writer.mark();
  writer.text(2, instanceId);
  writer.message(1, id);
  writer.message(1, member);
  return writer.finish();
}
