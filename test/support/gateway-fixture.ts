/** A gateway on socket pairs, with the real command handler and serializer over a store in memory, and time standing still. */
import type { TokenVerdict } from '../../src/auth/tokens.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { Claims } from '../../src/domain/claims.ts';
import type { Actor } from '../../src/domain/decider.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { plainCodec } from './plain-codec.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { FakeTime, until } from './fake-time.ts';
import { MemoryEventStore } from './memory-event-store.ts';
import { PairServer, type SocketPair } from './socket-pair.ts';

export const LOG = '019a0000-0000-7000-8000-000000000001';

/** A token of these tests is its claims, as text. */
function verifyToken(time: FakeTime): (token: string) => Promise<TokenVerdict> {
  return token => {
    if (!token.startsWith('{')) return Promise.resolve({ kind: 'invalid', message: 'not a token' });
    const claims = JSON.parse(token) as Claims;
    return Promise.resolve(claims.expiresAt <= time.now() ? { kind: 'expired' } : { kind: 'valid', claims });
  };
}

export interface GatewayFixture {
  readonly gateway: Gateway;
  readonly time: FakeTime;
  readonly store: EventStore;
  readonly sockets: PairServer;
  claims(more?: Partial<Claims>): Claims;
  token(more?: Partial<Claims>): string;
  /** Connects with a token in the header and waits for `hello`. */
  connect(more?: Partial<Claims>): Promise<SocketPair>;
  /** Straight through the commands, as an agent of the tenant unless said otherwise. */
  command(conversation: string, command: ConversationCommand, tenant?: string, actor?: Actor): Promise<bigint>;
  /** Starts the conversation, and posts so many messages to it. */
  conversation(
    id: string,
    messages: number,
    more?: { readonly visitor?: string; readonly tenant?: string },
  ): Promise<void>;
  post(conversation: string, text: string, tenant?: string): Promise<bigint>;
}

export async function createGatewayFixture(
  options: Partial<
    Pick<
      GatewayOptions,
      'store' | 'limits' | 'commands' | 'serializer' | 'log' | 'random' | 'isRevoked' | 'strangers' | 'logger'
    >
  > & {
    time?: FakeTime;
    /** False: states are always read apart from what sessions are sent. */
    sharesReads?: boolean;
  } = {},
): Promise<GatewayFixture> {
  const time = options.time ?? new FakeTime();
  const store = options.store ?? new MemoryEventStore(() => time.now());
  const sockets = new PairServer();
  const serializer = createConversationSerializer({ codec: plainCodec });
  const keys = createTenantKeys({ rootSecret: new Uint8Array(32) });
  const handler = createConversationCommands({ store, serializer, keys, clock: time });
  const commands = options.commands ?? handler;
  let ids = 0;
  const gateway = await createGateway({
    host: '127.0.0.1',
    port: 0,
    listen: sockets.listen,
    store,
    serializer: options.serializer ?? serializer,
    commands,
    ...(options.commands || options.sharesReads === false ? {} : { folds: handler }),
    verifyToken: verifyToken(time),
    log: options.log ?? LOG,
    clock: time,
    timers: time,
    logger: options.logger ?? silentLogger,
    newId: () => `session-${++ids}`,
    random: options.random ?? (() => 0.5),
    limits: options.limits ?? {},
    isRevoked: options.isRevoked ?? (() => false),
    ...(options.strangers ? { strangers: options.strangers } : {}),
  });

  const fixture: GatewayFixture = {
    ...{ gateway, time, store, sockets },
    claims: more => ({
      sub: 'ann',
      tenant: 'acme',
      role: 'agent',
      rooms: [],
      expiresAt: time.now() + 3_600_000,
      ...more,
    }),
    token: more => JSON.stringify(fixture.claims(more)),
    connect: async more => {
      const pair = sockets.connect({ authorization: `Bearer ${fixture.token(more)}` });
      await until(() => pair.frames.length > 0 || pair.closedWith !== undefined, 'hello');
      return pair;
    },
    command: async (conversation, command, tenant = 'acme', actor = { id: 'bob', role: 'agent' }) => {
      const ack = await commands.handle({ tenant, id: conversation, command, commandId: `c${++ids}`, actor });
      return ack.last;
    },
    conversation: async (id, messages, { visitor, tenant } = {}) => {
      await fixture.command(id, { type: 'StartConversation', data: { channel: 'web', visitor } }, tenant);
      for (let i = 0; i < messages; i++) await fixture.post(id, `message ${i}`, tenant);
    },
    post: (conversation, text, tenant) =>
      fixture.command(conversation, { type: 'PostMessage', data: { text } }, tenant),
  };
  return fixture;
}
