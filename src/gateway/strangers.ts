/**
 * How often those may ask who have not said who they are, by the address they come from: requests and connections
 * without credentials, or with such as are not valid. Who is known is never counted here, and pays for no stranger behind
 * the same address. This machine is not counted either, unless a trusted proxy on it names who asks.
 *
 * An address behind trusted proxies is the last one of `X-Forwarded-For` that no trusted proxy has: what stands before it
 * anybody may have written. Of IPv6 the network of 64 bits is one address, since each subscriber has so many.
 */
import { BlockList, isIP } from 'node:net';
import type { Clock } from '../domain/clock.ts';
import { RequestError } from '../errors.ts';
import { TokenBucket } from './token-bucket.ts';

export interface StrangersOptions {
  /** Requests and connections a second of one address. */
  readonly perSecond: number;
  /** Addresses, or networks as `10.0.0.0/8`, whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
}

/** Where somebody comes from, as the connection and the header say. */
export interface Whence {
  readonly remoteAddress: string;
  readonly forwardedFor?: string | undefined;
}

/** As with the buckets of users: one that was not used for a second is full, and dropping it changes nothing. */
const ADDRESSES_MAX = 20_000;
/** Hops that are looked at; a longer header is somebody's joke. */
const HOPS_MAX = 20;

export class Strangers {
  private readonly perSecond: number;
  private readonly clock: Clock;
  private readonly trusted: BlockList;
  /** In the order of use, the oldest first. */
  private readonly buckets = new Map<string, TokenBucket>();
  private refused = 0;

  constructor({ perSecond, trustedProxies, clock }: StrangersOptions) {
    this.perSecond = perSecond;
    this.clock = clock;
    this.trusted = blockListOf(trustedProxies);
  }

  /** Counts one request or connection of a stranger. @throws RequestError `rate-limited` */
  admit(whence: Whence): void {
    const address = this.addressOf(whence);
    if (address === undefined || isThisMachine(address)) return;
    const name = networkOf(address);
    const bucket = this.buckets.get(name) ?? new TokenBucket(this.perSecond, this.clock);
    this.buckets.delete(name);
    this.buckets.set(name, bucket);
    const oldest = this.buckets.size > ADDRESSES_MAX ? this.buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.buckets.delete(oldest);
    const retryAfterMs = bucket.take();
    if (retryAfterMs === 0) return;
    this.refused += 1;
    const message = `This address asks more than ${this.perSecond} times a second without valid credentials.`;
    throw new RequestError('rate-limited', message, { retryAfterMs });
  }

  /** Refusals since the start, and the addresses that are kept. */
  stats(): { readonly refused: number; readonly addresses: number } {
    return { refused: this.refused, addresses: this.buckets.size };
  }

  /** Undefined: a peer without an address. */
  private addressOf({ remoteAddress, forwardedFor = '' }: Whence): string | undefined {
    let address = plain(remoteAddress);
    const hops = forwardedFor.split(',').slice(-HOPS_MAX);
    while (address !== undefined && this.isTrusted(address)) {
      const before = plain(hops.pop()?.trim() ?? '');
      if (before === undefined) break;
      address = before;
    }
    return address;
  }

  private isTrusted(address: string): boolean {
    return this.trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Whether each is an address, or a network as `10.0.0.0/8`. */
export function areNetworks(names: readonly string[]): boolean {
  return names.every(name => {
    const [address = '', bits, ...rest] = name.split('/');
    const version = isIP(address);
    if (version === 0 || rest.length > 0) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  });
}

function blockListOf(names: readonly string[]): BlockList {
  const list = new BlockList();
  for (const name of names) {
    const [address = '', bits] = name.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** IPv4 inside IPv6 as IPv4, in whichever of its two forms it comes; undefined for what is no address. */
function plain(address: string): string | undefined {
  const dotted = /(?:^|:)(\d{1,3}(?:\.\d{1,3}){3})$/.exec(address)?.[1];
  if (dotted !== undefined && isIP(dotted) === 4 && /^(::ffff:|0000:0000:0000:0000:0000:ffff:)?[\d.]+$/i.test(address))
    return dotted;
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

function isThisMachine(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === '0000:0000:0000:0000:0000:0000:0000:0001';
}

function networkOf(address: string): string {
  if (isIP(address) === 4) return address;
  const [head = '', tail = ''] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  if (address.includes('::')) while (groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after]
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':');
}
