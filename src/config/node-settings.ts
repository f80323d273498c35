/** The port on which the embedded log is served in EventStoreDB's protocol, as settings. */
import { isIP } from 'node:net';
import { optionalInteger, optionalText, secret, text } from './setting.ts';

const PASSWORD_CHARACTERS_MIN = 8;
const PEM_CHARACTERS_MIN = 64;
const DEFAULT_USER = 'admin';

/** A part of SETTINGS. */
export const NODE_SETTINGS = {
  EVENTSTORE_PORT: optionalInteger({
    group: 'EventStoreDB node',
    absent: 'the log is not served; 2113 for `verbatim node`',
    unit: 'port',
    min: 0,
    max: 65_535,
    meaning: 'Port on which the embedded log is served in the protocol of EventStoreDB. 0: any free one.',
    example: '2113',
  }),
  EVENTSTORE_HOST: optionalText({
    group: 'EventStoreDB node',
    absent: '127.0.0.1',
    shape: 'an IP address of this machine',
    accepts: address => isIP(address) !== 0,
    meaning: 'Address that port listens on. Without EVENTSTORE_PASSWORD it must be a loopback address.',
    example: '127.0.0.1',
  }),
  EVENTSTORE_USER: text({
    group: 'EventStoreDB node',
    fallback: DEFAULT_USER,
    shape: 'a name',
    meaning: 'The name that goes with EVENTSTORE_PASSWORD.',
    example: DEFAULT_USER,
  }),
  EVENTSTORE_PASSWORD: secret({
    group: 'EventStoreDB node',
    charactersMin: PASSWORD_CHARACTERS_MIN,
    absent: 'whoever reaches the port may read and write',
    meaning: 'Who calls must name it (basic authorization). Most clients send it over TLS alone.',
    example: 'the output of `openssl rand -base64 24`',
  }),
  EVENTSTORE_TLS_CERTIFICATE: secret({
    group: 'EventStoreDB node',
    charactersMin: PEM_CHARACTERS_MIN,
    absent: 'no TLS',
    meaning: 'Certificate chain of that port in PEM; best EVENTSTORE_TLS_CERTIFICATE_FILE. Together with the key.',
    example: 'a PEM file',
  }),
  EVENTSTORE_TLS_KEY: secret({
    group: 'EventStoreDB node',
    charactersMin: PEM_CHARACTERS_MIN,
    absent: 'no TLS',
    meaning: 'Private key of that certificate in PEM; best EVENTSTORE_TLS_KEY_FILE.',
    example: 'a PEM file',
  }),
} as const;
