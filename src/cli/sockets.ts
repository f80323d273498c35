/** Which WebSocket server the gateway runs on, and how that is said: uWebSockets where it has a binary, else `ws`. */
import type { Config } from '../config/settings.ts';
import { UnsupportedNodeError, type ListenSockets } from '../gateway/sockets.ts';
import { listenUWebSockets, whyNoUWebSockets } from '../gateway/sockets.uwebsockets.ts';
import { listenWs } from '../gateway/sockets.ws.ts';
import type { Logger } from '../telemetry/logger.ts';

export interface ChosenSockets {
  readonly listen: ListenSockets;
  /** One line of the log, for when the gateway listens. */
  say(logger: Logger): void;
}

/** @throws UnsupportedNodeError uWebSockets was asked for and has no binary here */
export async function chooseSockets(
  { SOCKETS: asked }: Pick<Config, 'SOCKETS'>,
  whyNot: () => Promise<string | undefined> = whyNoUWebSockets,
): Promise<ChosenSockets> {
  if (asked === 'ws')
    return {
      listen: listenWs,
      say: logger => {
        logger.info('the gateway runs on ws, as SOCKETS says', { sockets: 'ws' });
      },
    };
  const why = await whyNot();
  if (why === undefined)
    return {
      listen: listenUWebSockets,
      say: logger => {
        logger.info('the gateway runs on uWebSockets', { sockets: 'uwebsockets' });
      },
    };
  if (asked === 'uwebsockets') throw new UnsupportedNodeError();
  return {
    listen: listenWs,
    say: logger => {
      logger.warn(
        'the gateway runs on ws, because uWebSockets has no binary for this Node or machine: a delivery costs more CPU, ' +
          'and all else is the same; docs/operators/running.md says how to put a binary in place',
        { sockets: 'ws', node: process.versions.node, why: why.split('\n', 1)[0] },
      );
    },
  };
}
