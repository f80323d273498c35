import { describe, expect, test, vi } from 'vitest';
import { failureOf } from '../../src/cli/failure.ts';
import { chooseSockets } from '../../src/cli/sockets.ts';
import { listenUWebSockets } from '../../src/gateway/sockets.uwebsockets.ts';
import { listenWs } from '../../src/gateway/sockets.ws.ts';
import { silentLogger, type LogFields } from '../../src/telemetry/logger.ts';

vi.mock('uWebSockets.js', () => {
  throw new Error('no binary');
});

const isThere = () => Promise.resolve(undefined);

/** Without a probe it is the real one, over a package that throws as it is loaded. */
async function choose(asked: 'auto' | 'uwebsockets' | 'ws', probe?: typeof isThere) {
  const lines: { readonly level: string; readonly message: string; readonly fields: LogFields | undefined }[] = [];
  const write = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  const logger = { ...silentLogger, info: write('info'), warn: write('warn') };
  const { listen, say } = await chooseSockets({ SOCKETS: asked }, probe);
  expect(lines).toEqual([]);
  say(logger);
  return { listen, lines };
}

describe('the WebSocket server of a start', () => {
  test('is uWebSockets where it has a binary, said in one line', async () => {
    for (const asked of ['auto', 'uwebsockets'] as const) {
      const { listen, lines } = await choose(asked, isThere);
      expect(listen).toBe(listenUWebSockets);
      expect(lines).toMatchObject([{ level: 'info', fields: { sockets: 'uwebsockets' } }]);
    }
  });

  test('is ws where there is none: one line says why, and where it says how to get one', async () => {
    const { listen, lines } = await choose('auto');
    expect(listen).toBe(listenWs);
    expect(lines).toMatchObject([{ level: 'warn', fields: { sockets: 'ws', node: process.versions.node } }]);
    expect(lines[0]?.message).toContain('docs/operators/running.md');
    expect(lines[0]?.fields?.why).toContain('error');
  });

  test('is ws where that is asked for, on any Node', async () => {
    for (const probe of [isThere, undefined]) {
      const { listen, lines } = await choose('ws', probe);
      expect([listen, lines.length]).toEqual([listenWs, 1]);
    }
  });

  test('that was asked for by name and has no binary fails the start, and says what to do', async () => {
    const failure = failureOf(await choose('uwebsockets').catch((thrown: unknown) => thrown));
    expect(failure).toMatchObject({ code: 'unsupported-node', exitCode: 1 });
    expect(failure?.message).toContain(`Node ${process.versions.node} on ${process.platform}`);
    expect(failure?.message).toContain('SOCKETS');
  });
});
