/**
 * What the store refuses, in the words of the real server: a gRPC status with trailers for a call, a google.rpc.Status
 * with its detail for one append of a batch. The only place where a store's error becomes the wire's.
 */
import { Metadata, status } from '@grpc/grpc-js';
import { UnavailableError } from '../../errors.ts';
import {
  AppendTooLargeError,
  BadEventStoreRequestError,
  StreamDeletedError,
  WrongExpectedRevisionError,
} from '../errors.ts';
import { MalformedMessageError } from './protobuf.ts';
import { encodeSingle, encodeStreamDeleted, encodeWrongExpectedVersion } from './stream-responses.ts';
import type { ExpectedRevision } from '../event-store.ts';
import type { BatchFailure } from './stream-responses.ts';

/** Ends a call with this status and these trailers. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}) {
    super(details);
    this.code = code;
    this.details = details;
    this.metadata = new Metadata();
    for (const [key, value] of Object.entries(trailers)) this.metadata.set(key, headerValue(value));
  }
}

/** The modes as the real server numbers them. */
const EXPECTED_NUMBERS = { any: -2n, 'no-stream': -1n, 'stream-exists': -4n } as const;
const REQUIRED_METADATA = 'type,content-type';
const NOTHING = Buffer.alloc(0);

/** An error nobody expected, or a request the real server has no answer of its own for. */
export function handlerFailed(): RpcError {
  return new RpcError(status.UNKNOWN, 'Exception was thrown by handler.');
}

/** A read of nothing, or of a stream without a name. */
export function readFailed(kind: 'ReadStreamResult' | 'ReadAllResult'): RpcError {
  return new RpcError(status.UNKNOWN, `Unexpected ${kind}: Error`);
}

export function accessDenied(): RpcError {
  return new RpcError(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });
}

export function shuttingDown(): RpcError {
  return new RpcError(status.UNAVAILABLE, 'Server Is Shutting Down');
}

/** What a proposed event lacks; the trailer names all that are required. */
export function requiredMetadataMissing(property: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, `Required Metadata Property '${property}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': REQUIRED_METADATA,
  });
}

export function appendTooLarge(bytesMax: number): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, `Maximum Append Size of ${bytesMax} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(bytesMax),
  });
}

/** Of any error a handler ended with. */
export function callFailure(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof StreamDeletedError) {
    return new RpcError(status.FAILED_PRECONDITION, `Event stream '${error.stream}' is deleted.`, {
      exception: 'stream-deleted',
      'stream-name': error.stream,
    });
  }
  if (error instanceof WrongExpectedRevisionError) return wrongExpectedRevision(error);
  if (error instanceof AppendTooLargeError) return appendTooLarge(error.bytesMax);
  if (error instanceof UnavailableError)
    return new RpcError(status.UNAVAILABLE, `Server Is Not Ready: ${error.message}`);
  return handlerFailed();
}

/** Of a delete or a tombstone: an append answers its conflict as a message. */
function wrongExpectedRevision({ stream, expected, actual }: WrongExpectedRevisionError): RpcError {
  const wanted = expectedNumber(expected);
  const details = `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${wanted}, Actual version: ${actual}`;
  return new RpcError(status.FAILED_PRECONDITION, details, {
    exception: 'wrong-expected-version',
    'stream-name': stream,
    'expected-version': String(wanted),
    'actual-version': String(actual),
  });
}

function expectedNumber(expected: ExpectedRevision): bigint {
  return typeof expected === 'bigint' ? expected : EXPECTED_NUMBERS[expected];
}

/** Of any error one append of a batch ended with. */
export function batchFailure(error: unknown): BatchFailure {
  if (error instanceof WrongExpectedRevisionError) {
    const detail = encodeWrongExpectedVersion(error.expected, error.actual);
    return clientFailure(status.ALREADY_EXISTS, 'WrongExpectedVersion', detail);
  }
  if (error instanceof StreamDeletedError)
    return clientFailure(status.NOT_FOUND, 'StreamDeleted', encodeStreamDeleted(error.stream));
  if (error instanceof AppendTooLargeError) return batchTooLarge(error.bytesMax);
  if (error instanceof UnavailableError)
    return { code: status.UNAVAILABLE, message: 'Server Is Busy', type: 'google.protobuf.Empty', detail: NOTHING };
  if (error instanceof BadEventStoreRequestError || error instanceof MalformedMessageError)
    return badRequest(error.message);
  return clientFailure(status.UNKNOWN, 'Unknown', NOTHING);
}

export function batchTooLarge(bytesMax: number): BatchFailure {
  return clientFailure(status.INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', encodeSingle(bytesMax));
}

export function badRequest(message: string): BatchFailure {
  return clientFailure(status.INVALID_ARGUMENT, 'BadRequest', encodeSingle(message));
}

export function batchTimeout(): BatchFailure {
  return clientFailure(status.DEADLINE_EXCEEDED, 'Timeout', NOTHING);
}

function clientFailure(code: status, message: string, detail: Buffer): BatchFailure {
  return { code, message, type: `event_store.client.${message}`, detail };
}

/** A header carries printable ASCII alone: the rest of a stream's name is percent-encoded. */
function headerValue(text: string): string {
  return text.replace(/[^ -~]+/g, part => encodeURIComponent(Buffer.from(part).toString()));
}
