/**
 * `esdb://` and `esdb+discover://` connection strings, parsed by the official client. What it would say of a bad one (on
 * the console too) holds the string itself, password and all, so its keys are looked at here first and no message of
 * ours shows more than a key.
 */
import { readFileSync } from 'node:fs';
import { credentials as grpcCredentials } from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { parseConnectionString as parseOfficially } from '@eventstore/db-client/dist/Client/parseConnectionString.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface ConnectionSettings {
  /** One: that node. Several, or `discover`: asked by gossip which node to use. */
  readonly hosts: readonly Endpoint[];
  readonly discover: boolean;
  readonly nodePreference: 'leader' | 'follower' | 'read_only_replica' | 'random';
  readonly tls: boolean;
  readonly tlsVerifyCert: boolean;
  readonly tlsCaFile: string | undefined;
  readonly userCertFile: string | undefined;
  readonly userKeyFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly connectionName: string | undefined;
  readonly gossipTimeoutSeconds: number;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

/** The string is none that the client takes. Its message never holds the string. */
export class BadConnectionStringError extends Error {
  override readonly name = 'BadConnectionStringError';
}

const KEYS = [
  'tls',
  'tlsVerifyCert',
  'tlsCAFile',
  'userCertFile',
  'userKeyFile',
  'nodePreference',
  'connectionName',
  'gossipTimeout',
  'keepAliveInterval',
  'keepAliveTimeout',
  'maxDiscoverAttempts',
  'discoveryInterval',
  'defaultDeadline',
  'throwOnAppendFailure',
] as const;
const NOT_OF_THE_FORM = 'it is not of the form esdb://user:password@host:port?tls=true';
const KEEP_ALIVE_MS = 10_000;
const GOSSIP_TIMEOUT_SECONDS = 5;

/** @throws BadConnectionStringError */
export function parseConnectionString(text: string): ConnectionSettings {
  const [head = '', query] = text.trim().split('?', 2);
  if (!/^esdb(\+discover)?:\/\/[^\s]+$/.test(head))
    throw new BadConnectionStringError('it does not begin with esdb:// or esdb+discover:// and a host');
  const parameters = (query ?? '').split('&').filter(parameter => parameter !== '');
  let tlsVerifyCert = true;
  const kept: string[] = [];
  for (const parameter of parameters) {
    const [key = '', value] = parameter.split('=', 2);
    const known = KEYS.find(name => flat(name) === flat(key));
    if (known === undefined || value === undefined) {
      // A password with a ? in it ends here; what stands before the @ is part of it.
      if (query?.includes('@') === true) throw new BadConnectionStringError(NOT_OF_THE_FORM);
      throw new BadConnectionStringError(`it has the option ${JSON.stringify(key.slice(0, 40))}, which there is not`);
    }
    // The official client has no use for it but to warn; the transport below it has.
    if (known === 'tlsVerifyCert') tlsVerifyCert = value !== 'false';
    else kept.push(parameter);
  }
  const parsed = parse(kept.length > 0 ? `${head}?${kept.join('&')}` : head);
  if (parsed.hosts.length === 0) throw new BadConnectionStringError('it names no host');
  const { hosts, dnsDiscover, defaultCredentials, nodePreference = 'leader' } = parsed;
  return {
    hosts,
    discover: dnsDiscover || hosts.length > 1,
    nodePreference,
    tls: parsed.tls ?? true,
    tlsVerifyCert,
    tlsCaFile: parsed.tlsCAFile,
    userCertFile: parsed.userCertFile,
    userKeyFile: parsed.userKeyFile,
    username: defaultCredentials?.username,
    password: defaultCredentials?.password,
    connectionName: parsed.connectionName,
    gossipTimeoutSeconds: parsed.gossipTimeout ?? GOSSIP_TIMEOUT_SECONDS,
    keepAliveIntervalMs: parsed.keepAliveInterval ?? KEEP_ALIVE_MS,
    keepAliveTimeoutMs: parsed.keepAliveTimeout ?? KEEP_ALIVE_MS,
  };
}

function parse(text: string): ReturnType<typeof parseOfficially> {
  try {
    return parseOfficially(text);
  } catch {
    throw new BadConnectionStringError(NOT_OF_THE_FORM);
  }
}

function flat(key: string): string {
  return key.trim().toLowerCase().replace(/[_-]/g, '');
}

/** The certificates are read now. @throws BadConnectionStringError where a file cannot be read */
export function channelCredentials(settings: ConnectionSettings): ChannelCredentials {
  if (!settings.tls) return grpcCredentials.createInsecure();
  const read = (path: string | undefined, option: string): Buffer | null => {
    if (path === undefined) return null;
    try {
      return readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new BadConnectionStringError(`its ${option} names ${path}, which cannot be read (${code ?? 'unreadable'})`);
    }
  };
  const { tlsCaFile, userKeyFile, userCertFile, tlsVerifyCert } = settings;
  if ((userKeyFile === undefined) !== (userCertFile === undefined))
    throw new BadConnectionStringError('it has one of userCertFile and userKeyFile, and needs both');
  return grpcCredentials.createSsl(
    read(tlsCaFile, 'tlsCAFile'),
    read(userKeyFile, 'userKeyFile'),
    read(userCertFile, 'userCertFile'),
    { rejectUnauthorized: tlsVerifyCert },
  );
}
