/** Who may call: anybody where no credentials are configured, else who names them in a basic authorization header. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { Metadata } from '@grpc/grpc-js';
import { accessDenied, RpcError } from './rpc-errors.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export class Access {
  private readonly expected: Buffer | undefined;

  constructor(credentials: Credentials | undefined) {
    this.expected = credentials && digest(`${credentials.username}:${credentials.password}`);
  }

  allows(metadata: Metadata): boolean {
    return this.expected === undefined || this.judge(metadata) === 'allowed';
  }

  /** @throws RpcError: access denied to nobody in particular, unauthenticated with the wrong credentials */
  check(metadata: Metadata): void {
    if (this.expected === undefined) return;
    const verdict = this.judge(metadata);
    if (verdict === 'anonymous') throw accessDenied();
    if (verdict === 'wrong') throw new RpcError(status.UNAUTHENTICATED, 'Unauthenticated');
  }

  private judge(metadata: Metadata): 'allowed' | 'anonymous' | 'wrong' {
    const [header] = metadata.get('authorization');
    if (header === undefined) return 'anonymous';
    const token = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header.toString())?.[1];
    if (token === undefined || this.expected === undefined) return 'wrong';
    return timingSafeEqual(digest(Buffer.from(token, 'base64').toString()), this.expected) ? 'allowed' : 'wrong';
  }
}

/** Of one length whatever came in, so that it can be compared in constant time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
