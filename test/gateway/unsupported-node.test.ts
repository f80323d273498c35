import { expect, test, vi } from 'vitest';
import { failureOf } from '../../src/cli/failure.ts';
import { listenUWebSockets } from '../../src/gateway/sockets.uwebsockets.ts';

vi.mock('uWebSockets.js', () => {
  throw new Error('no binary');
});

test('where the WebSocket server has no binary, a start fails with what to use instead', async () => {
  const options = { host: '127.0.0.1', port: 0, path: '/', protocol: 'p' };
  const bounds = { frameBytesMax: 1, messageBytesMax: 1, queueBytesMax: 1 };
  const open = vi.fn();
  const error = await listenUWebSockets({ ...options, ...bounds, open }).catch((thrown: unknown) => thrown);
  expect(failureOf(error)).toMatchObject({ code: 'unsupported-node', exitCode: 1 });
  expect(failureOf(error)?.message).toContain(`Node ${process.versions.node} on ${process.platform}`);
});
