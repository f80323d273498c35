/** Which WebSocket server the gateway runs on, and says so: uWebSockets where it has a binary, else `ws`. */
import type { Config } from '../config/settings.ts';
import { UnsupportedNodeError, type ListenSockets } from '../gateway/sockets.ts';
import { listenUWebSockets, whyNoUWebSockets } from '../gateway/sockets.uwebsockets.ts';
import { listenWs } from '../gateway/sockets.ws.ts';
import type { Logger } from '../telemetry/logger.ts';

/** @throws UnsupportedNodeError uWebSockets was asked for and has no binary here */
export async function chooseSockets(
  { SOCKETS: asked }: Pick<Config, 'SOCKETS'>,
  logger: Logger,
  whyNot: () => Promise<string | undefined> = whyNoUWebSockets,
): Promise<ListenSockets> {
  if (asked === 'ws') {
    logger.info('the gateway runs on ws, as SOCKETS says', { sockets: 'ws' });
    return listenWs;
  }
  const why = await whyNot();
  if (why === undefined) {
    logger.info('the gateway runs on uWebSockets', { sockets: 'uwebsockets' });
    return listenUWebSockets;
  }
  if (asked === 'uwebsockets') throw new UnsupportedNodeError();
  logger.warn(
    'the gateway runs on ws, because uWebSockets has no binary for this Node or machine; all is the same but the CPU a ' +
      'delivery, and docs/operators/running.md says how to put a binary in place',
    { sockets: 'ws', node: process.versions.node, why },
  );
  return listenWs;
}
