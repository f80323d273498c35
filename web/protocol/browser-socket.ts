/** The browser's WebSocket and timers behind the connection's ports. */
import type { OpenSocket, Timers } from './socket.ts';

export const openBrowserSocket: OpenSocket = (url, protocols, handlers) => {
  const socket = new WebSocket(url, protocols);
  socket.onmessage = event => {
    if (typeof event.data === 'string') handlers.message(event.data);
  };
  socket.onclose = event => {
    handlers.closed(event.code, event.reason);
  };
  return {
    send: text => {
      socket.send(text);
    },
    close: () => {
      // Detached first: what still arrives while the close travels is lost to us, as on a cut cable.
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    },
  };
};

export const browserTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
