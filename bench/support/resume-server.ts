/**
 * A process with one of the systems of `resume`: the product, whose rooms are in memory or are read each time, or bare
 * uWebSockets, which answers any frame with so many bytes. Its name, port, folder and secret are its arguments.
 */
import { startServer } from '../../src/cli/server.ts';
import { loadConfig } from '../../src/config/config.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { answerParent, CpuWindow } from './child-process.ts';

export type ResumeSystem = 'tail' | 'log' | 'bare';

export type ResumeServer = {
  ready(): void;
  begin(): void;
  /** CPU since `begin`, in microseconds. */
  end(): number;
};

const [name, port = '0', folder = '', secret = ''] = process.argv.slice(2);
const cpu = new CpuWindow();
const close = await (name === 'bare' ? bare() : product());

/** With room for one tail in memory, a room that was not the last to be asked for is read. */
async function product(): Promise<() => Promise<void>> {
  const { config } = loadConfig({
    environment: {
      ...{ DATA_DIR: folder, HTTP_PORT: '0', HOST: '127.0.0.1', GATEWAY_PORT: port, JWT_SECRET: secret },
      ...{ SENDS_PER_SECOND_MAX: '100000', COMMANDS_PER_SOCKET_MAX: '10000' },
      ...(name === 'log' ? { ROOM_TAILS_BYTES_MAX: '0' } : {}),
    },
  });
  const server = await startServer({ config, logger: silentLogger, onLost: () => process.exit(1) });
  return () => server.close(1_000);
}

async function bare(): Promise<() => Promise<void>> {
  const uws = await import('uWebSockets.js');
  const app = uws.App().ws('/*', {
    idleTimeout: 0,
    maxBackpressure: 16_777_216,
    message: (socket, message) => {
      const { bytes } = JSON.parse(Buffer.from(message).toString('utf8')) as { bytes: number };
      socket.send(JSON.stringify({ events: 'x'.repeat(bytes), op: 'caught-up' }), false);
    },
  });
  await new Promise<void>((resolve, reject) => {
    app.listen('127.0.0.1', Number(port), listening => {
      if (listening === false) reject(new Error('Nothing can listen.'));
      else resolve();
    });
  });
  return async () => {
    app.close();
  };
}

const answers: ResumeServer = {
  ready: () => undefined,
  begin: () => {
    cpu.begin();
  },
  end: () => cpu.end(),
};
answerParent(answers, close);
