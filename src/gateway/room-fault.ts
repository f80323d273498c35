/** What is said of a room that cannot be read, the same to whoever asks: asking again changes nothing. */
import { Rejection } from '../domain/decider.ts';
import { faultOf, type Fault } from '../faults.ts';
import { UnknownSchemaError } from '../schemas/event-schemas.ts';

export function roomFault(error: unknown): Fault {
  if (error instanceof UnknownSchemaError)
    return { code: 'unavailable', message: 'The room holds what a newer server wrote.', retryable: false };
  if (error instanceof Rejection && error.code === 'deleted')
    return { code: 'unknown-room', message: 'The room was deleted.' };
  const fault = faultOf(error);
  return fault.code === 'internal'
    ? { code: 'internal', message: 'The room cannot be read; it was logged.', retryable: false }
    : fault;
}
