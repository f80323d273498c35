/**
 * What the driver's errors mean here. Its own objects never leave this place: those of writes carry the documents that were to be
 * written, those of duplicate keys name ids, and those of a bad connection string hold its password.
 */
import { MongoError, MongoNetworkError, MongoServerError } from 'mongodb';
import { UnavailableError } from '../../errors.ts';

/** The string is none that the driver takes. Its message never holds the string. */
export class BadMongoDbUrlError extends Error {
  override readonly name = 'BadMongoDbUrlError';
}

const DUPLICATE_KEY = 11_000;
/** `Transaction numbers are only allowed on a replica set member or mongos` */
const ILLEGAL_OPERATION = 20;
const NAMESPACE_EXISTS = 48;

/** The port's error for the driver's; anything else is a bug, and stays what it is. */
export function failureOf(error: unknown): unknown {
  if (!(error instanceof MongoError)) return error;
  const what = describe(error);
  const cause = new Error(what);
  cause.name = error.name;
  if (error.stack !== undefined) cause.stack = `${error.name}: ${what}\n${framesOf(error.stack)}`;
  return new UnavailableError(
    error.code === ILLEGAL_OPERATION
      ? 'MongoDB refuses transactions: it must be a replica set, even of one.'
      : `MongoDB cannot be used now: ${what}.`,
    { cause },
  );
}

/** Servers' messages may quote documents, so of theirs only the code is told. */
function describe(error: MongoError): string {
  if (!(error instanceof MongoServerError)) return `${error.name} (${withoutCredentials(error.message)})`;
  const code = error.code === undefined ? '' : ` ${error.code}`;
  return `${error.name}${code}${error.codeName === undefined ? '' : ` ${error.codeName}`}`;
}

function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^\s/]*@/g, '//').replace(/[.\s]+$/, '');
}

function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter(line => /^\s+at /.test(line))
    .join('\n');
}

export function isDuplicateKey(error: unknown): boolean {
  return error instanceof MongoError && error.code === DUPLICATE_KEY;
}

export function isNamespaceThere(error: unknown): boolean {
  return error instanceof MongoError && error.code === NAMESPACE_EXISTS;
}

/** Nothing of the transaction was done, and the same one may be tried again. */
export function isTransient(error: unknown): boolean {
  return error instanceof MongoError && error.hasErrorLabel('TransientTransactionError');
}

/** Before the server has answered: what it did of it is not known. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof MongoNetworkError;
}
