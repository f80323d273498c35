import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createHttpRoutes } from '../../../src/event-store/node/http-routes.ts';

async function serve(): Promise<Socket> {
  const http = createHttpRoutes(() => ({ address: 'a', port: 1 }), { requestTimeoutMs: 100 });
  const listener = createServer(socket => http.emit('connection', socket));
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    http.close();
    listener.close();
  });
  return client;
}

it('a request that never comes whole is answered 408, and its connection closed', async () => {
  const client = await serve();
  client.write('GET /pi');
  let answer = '';
  client.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  await new Promise(resolve => client.once('close', resolve));
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
});

it('a whole one is answered', async () => {
  const client = await serve();
  client.write('GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let answer = '';
  client.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  await new Promise(resolve => client.once('close', resolve));
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});
