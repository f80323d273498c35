/** The kinds of settings: each parses the text of a variable, a file or a flag, and says in words what it takes. */
import { z } from 'zod';
import { areNetworks } from '../gateway/strangers.ts';

/** What every row of the table says, whatever its kind. */
export interface About {
  readonly group: SettingGroup;
  /** One line: what it does. */
  readonly meaning: string;
  /** A value as one would write it. Of a secret: how to make one. */
  readonly example: string;
}

export const SETTING_GROUPS = [
  'Server',
  'Access',
  'Storage',
  'EventStoreDB',
  'MongoDB',
  'Commands',
  'Gateway',
  'HTTP',
  'Import',
  'Read models',
  'EventStoreDB node',
] as const;
export type SettingGroup = (typeof SETTING_GROUPS)[number];

export interface Setting<T> extends About {
  /** Text to value; its failure is told as `shape`, never with the value of a secret. */
  readonly schema: z.ZodType<T, string>;
  /** Undefined: there is none, and `absent` says what happens then. */
  readonly fallback: T;
  readonly absent?: string;
  /** `bytes`, `ms`, `events`, …; `` where there is none. */
  readonly unit: string;
  /** Completes "expected …". */
  readonly shape: string;
  readonly secret: boolean;
  /** Of a text that may hold a password: as it may be shown. */
  readonly masked?: (text: string) => string;
}

export function integer(
  about: About & { readonly fallback: number; readonly unit: string; readonly min: number; readonly max: number },
): Setting<number> {
  const { min, max } = about;
  return {
    ...about,
    schema: z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number)
      .pipe(z.int().min(min).max(max)),
    shape: `a whole number from ${min} to ${max}`,
    secret: false,
  };
}

export function optionalInteger(
  about: About & { readonly absent: string; readonly unit: string; readonly min: number; readonly max: number },
): Setting<number | undefined> {
  const { schema, shape } = integer({ ...about, fallback: about.min });
  return { ...about, schema, shape, fallback: undefined, secret: false };
}

export function text(about: About & { readonly fallback: string; readonly shape: string }): Setting<string> {
  return { ...about, schema: z.string().min(1), unit: '', secret: false };
}

export function optionalText(
  about: About & { readonly absent: string; readonly shape: string; readonly accepts: (text: string) => boolean },
): Setting<string | undefined> {
  return { ...about, schema: z.string().refine(about.accepts), fallback: undefined, unit: '', secret: false };
}

export function secret(
  about: About & { readonly absent: string; readonly charactersMin: number },
): Setting<string | undefined> {
  return {
    ...about,
    schema: z.string().min(about.charactersMin),
    fallback: undefined,
    unit: '',
    shape: `a secret of at least ${about.charactersMin} characters`,
    secret: true,
  };
}

export function choice<const T extends string>(
  about: About & { readonly fallback: T; readonly of: readonly [T, ...T[]] },
): Setting<T> {
  return { ...about, schema: z.enum(about.of), unit: '', shape: `one of ${about.of.join(', ')}`, secret: false };
}

/** An address a client dials: scheme and host, no credentials, query or fragment. */
export function optionalUrl(
  about: About & { readonly absent: string; readonly protocols: readonly string[] },
): Setting<string | undefined> {
  return {
    ...about,
    schema: z.string().refine(value => isPlainUrl(value, about.protocols)),
    fallback: undefined,
    unit: '',
    shape: `a URL beginning with ${about.protocols.map(protocol => `${protocol}//`).join(' or ')}`,
    secret: false,
  };
}

/** A server with its credentials; the password is never shown. */
export function connectionString(
  about: About & { readonly absent: string; readonly protocols: readonly string[] },
): Setting<string | undefined> {
  const begins = about.protocols.map(protocol => `${protocol}://`);
  return {
    ...about,
    schema: z
      .string()
      .refine(value => begins.some(begin => value.startsWith(begin) && /^[^/?\s]+/.test(value.slice(begin.length)))),
    fallback: undefined,
    unit: '',
    shape: `a connection string beginning with ${begins.join(' or ')}`,
    secret: false,
    masked: maskPassword,
  };
}

/** What stands before the last `@` may be a password, wherever in it a colon or a slash is. */
function maskPassword(value: string): string {
  return value.replace(/^([a-z+]*:?\/*[^:@/]*)(?::.*)?@/i, '$1:********@');
}

/** Comma-separated origins, each `scheme://host[:port]`. */
export function origins(about: About): Setting<readonly string[]> {
  return {
    ...about,
    schema: z
      .string()
      .transform(value => value.split(',').map(origin => origin.trim()))
      .refine(list => list.every(isOrigin)),
    fallback: [],
    unit: '',
    shape: 'origins separated by commas, each scheme://host or scheme://host:port',
    secret: false,
  };
}

/** Comma-separated addresses and networks. */
export function networks(about: About): Setting<readonly string[]> {
  return {
    ...about,
    schema: z
      .string()
      .transform(value => value.split(',').map(name => name.trim()))
      .refine(areNetworks),
    fallback: [],
    unit: '',
    shape: 'IP addresses, or networks as 10.0.0.0/8, separated by commas',
    secret: false,
  };
}

function isPlainUrl(value: string, protocols: readonly string[]): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !protocols.includes(url.protocol)) return false;
  return url.hostname !== '' && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

function isOrigin(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url !== undefined && ['http:', 'https:'].includes(url.protocol) && url.origin === value;
}
