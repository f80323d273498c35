/**
 * Calls between two threads over one port: each side offers methods, and asks those of the other. What a method throws
 * arrives as an error of the same class, if it is one that callers tell apart.
 *
 * Calls under way are bounded by their callers: nothing here asks by itself.
 */
import type { Transferable } from 'node:worker_threads';
import { RequestError, UnavailableError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import { StreamDeletedError, StreamNotFoundError } from '../../event-store/errors.ts';

/** What one side offers: each takes one value that can be cloned, and answers one. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

/** An answer whose buffers are handed over instead of copied. */
export class Handed<Value> {
  readonly value: Value;
  readonly buffers: readonly Transferable[];
  constructor(value: Value, buffers: readonly Transferable[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

type Answered<Value> = Awaited<Value> extends Handed<infer Inner> ? Inner : Awaited<Value>;

export interface Calls<Theirs extends Methods> {
  /** @throws what the method threw; a DataCloneError for what cannot be cloned; UnavailableError once the other side is gone */
  call<Name extends keyof Theirs & string>(
    name: Name,
    argument: Parameters<Theirs[Name]>[0],
  ): Promise<Answered<ReturnType<Theirs[Name]>>>;
  /** Every call under way fails, and every later one. */
  close(error: Error): void;
  /** Calls that are not answered yet. */
  readonly underWay: number;
}

interface Asked {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly answers: number;
  readonly value?: unknown;
  readonly error?: CarriedError;
}

export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly code?: ErrorCode;
  readonly path?: string | undefined;
  readonly reason?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly stream?: string;
}

/** Of a MessagePort and of a Worker. */
interface Port {
  postMessage(value: unknown, handed?: readonly Transferable[]): void;
  on(event: 'message', listen: (message: Asked | Answer) => void): unknown;
}

export function createCalls<Theirs extends Methods>(port: Port, mine: Methods): Calls<Theirs> {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  let closed: Error | undefined;

  const answer = async ({ id, name, argument }: Asked): Promise<void> => {
    try {
      const method = mine[name];
      if (method === undefined) throw new Error(`There is no method ${name}.`);
      const result = await method(argument as never);
      if (result instanceof Handed) port.postMessage({ answers: id, value: result.value as unknown }, result.buffers);
      else port.postMessage({ answers: id, value: result });
    } catch (error) {
      port.postMessage({ answers: id, error: carryError(error) } satisfies Answer);
    }
  };
  port.on('message', (message: Asked | Answer) => {
    if (!('answers' in message)) {
      void answer(message);
      return;
    }
    const caller = waiting.get(message.answers);
    waiting.delete(message.answers);
    if (message.error === undefined) caller?.resolve(message.value);
    else caller?.reject(carriedError(message.error));
  });

  return {
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(closed);
          return;
        }
        last += 1;
        // First: what cannot be sent is never answered. The answer comes in a later turn.
        port.postMessage({ id: last, name, argument } satisfies Asked);
        waiting.set(last, { resolve: resolve as (value: unknown) => void, reject });
      }),
    close: error => {
      closed ??= error;
      for (const { reject } of waiting.values()) reject(closed);
      waiting.clear();
    },
    get underWay() {
      return waiting.size;
    },
  };
}

/** Whether a call failed because its argument, or what it was answered, is none that threads can hand each other. */
export function isNotCloneable(error: unknown): boolean {
  return error instanceof Error && error.name === 'DataCloneError';
}

export function carryError(error: unknown): CarriedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  if (error instanceof RequestError) {
    const { code, path, reason, retryAfterMs } = error;
    return { name, message, stack, code, path, reason, retryAfterMs };
  }
  if (error instanceof StreamNotFoundError || error instanceof StreamDeletedError)
    return { name, message, stack, stream: error.stream };
  // Its cause is told in words: what callers do does not depend on it.
  if (error instanceof UnavailableError && error.cause instanceof Error)
    return { name, stack, message: `${message} (${error.cause.message})` };
  return { name, message, stack };
}

export function carriedError(carried: CarriedError): Error {
  const { name, message, stack, code, path, reason, retryAfterMs, stream = '' } = carried;
  if (name === 'UnavailableError') return new UnavailableError(message);
  if (name === 'StreamNotFoundError') return new StreamNotFoundError(stream);
  if (name === 'StreamDeletedError') return new StreamDeletedError(stream);
  if (code !== undefined)
    return new RequestError(code, message, {
      ...(path === undefined ? {} : { path }),
      ...(reason === undefined ? {} : { reason }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  const error = new Error(message);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
