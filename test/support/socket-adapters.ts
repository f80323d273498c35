/**
 * The adapters of the socket port, each with whether it runs on this Node. uWebSockets is absent where it has no binary,
 * and that it has one is required where the README says so.
 */
import type { ListenSockets } from '../../src/gateway/sockets.ts';
import { listenUWebSockets, whyNoUWebSockets } from '../../src/gateway/sockets.uwebsockets.ts';
import { listenWs } from '../../src/gateway/sockets.ws.ts';

const UWEBSOCKETS_NODES: readonly (string | undefined)[] = ['20', '22'];

export interface SocketAdapter {
  /** As the setting SOCKETS takes it. */
  readonly name: 'uwebsockets' | 'ws';
  readonly listen: ListenSockets;
  /** Why it does not run here. */
  readonly absent: string | undefined;
}

const why = await whyNoUWebSockets();
const isRequired = UWEBSOCKETS_NODES.includes(process.versions.node.split('.')[0]);
if (why !== undefined && isRequired)
  throw new Error(`uWebSockets is required on Node ${process.versions.node}: ${why}`);

export const UWEBSOCKETS: SocketAdapter = { name: 'uwebsockets', listen: listenUWebSockets, absent: why };
export const WS: SocketAdapter = { name: 'ws', listen: listenWs, absent: undefined };
/** Those that run here; the end of a run says which one does not. */
export const SOCKET_ADAPTERS: readonly SocketAdapter[] = [UWEBSOCKETS, WS].filter(({ absent }) => absent === undefined);
