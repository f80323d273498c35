/** The gateway as `serve` wires it, over a store that the benchmark chooses, with bounds that no benchmark meets. */
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { createTokenVerifier, signToken } from '../../src/auth/tokens.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { createGateway, SOCKET_PATH, SUBPROTOCOL } from '../../src/gateway/gateway.ts';
import { listenUWebSockets } from '../../src/gateway/sockets.uwebsockets.ts';
import { listenWs } from '../../src/gateway/sockets.ws.ts';
import { systemTimers } from '../../src/gateway/timers.ts';
import { plainCodec } from '../../test/support/plain-codec.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import type { WireAddress } from './wire-socket.ts';

export const TENANT = 'bench';
const HOUR_MS = 3_600_000;

export interface BenchGateway {
  readonly address: WireAddress;
  readonly close: () => Promise<void>;
}

export async function startGateway(
  store: EventStore,
  sockets: 'uwebsockets' | 'ws' = 'uwebsockets',
): Promise<BenchGateway> {
  const clock = { now: () => Date.now() };
  const secret = randomBytes(32);
  const serializer = createConversationSerializer({ codec: plainCodec });
  const keys = createTenantKeys({ rootSecret: randomBytes(32) });
  const gateway = await createGateway({
    ...{
      host: '127.0.0.1',
      port: 0,
      listen: sockets === 'ws' ? listenWs : listenUWebSockets,
      store,
      serializer,
      clock,
    },
    commands: createConversationCommands({ store, serializer, keys, clock }),
    verifyToken: createTokenVerifier({ secret, clock }),
    log: uuidv7(),
    timers: systemTimers,
    logger: silentLogger,
    newId: uuidv7,
    // Peers have no heartbeat, and a closed loop is faster than any person.
    limits: { heartbeatMs: HOUR_MS, silenceMs: 2 * HOUR_MS, sendsPerSecond: 1_000_000 },
  });
  const token = await signToken(secret, {
    ...{ sub: 'agent-1', tenant: TENANT, role: 'agent', rooms: [] },
    expiresAt: clock.now() + HOUR_MS,
  });
  const { port } = gateway;
  return {
    address: { port, path: SOCKET_PATH, protocol: SUBPROTOCOL, authorization: `Bearer ${token}` },
    close: () => gateway.close(),
  };
}
