import { afterEach, describe, expect, it } from 'vitest';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { Workplace } from './support.ts';
import type { Started } from './support.ts';

const READY_TIMEOUT_MS = 20_000;

/** The address in what it says once it is ready. */
async function addressOf({ said, ended }: Started): Promise<string> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const address = /esdb:\/\/\S+/.exec(said.stdout)?.[0];
    if (address !== undefined) return address;
    const over = await Promise.race([ended.then(() => true), new Promise(resolve => setTimeout(resolve, 20, false))]);
    if (over === true || Date.now() > deadline) throw new Error(`It does not listen: ${said.stdout}${said.stderr}`);
  }
}

async function revisions(address: string, stream: string): Promise<bigint[]> {
  const client = EventStoreDBClient.connectionString(address);
  const found: bigint[] = [];
  for await (const { event } of client.readStream(stream)) if (event !== undefined) found.push(event.revision);
  await client.dispose();
  return found;
}

async function append(address: string, stream: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(address);
  await client.appendToStream(stream, jsonEvent({ type: 'Noted', data: {} }));
  await client.dispose();
}

describe('verbatim node', () => {
  let place: Workplace;
  afterEach(() => place.clean());

  it('serves the log of its folder, alone; what was acknowledged is there after kill -9', async () => {
    place = await Workplace.create();
    const first = place.start(['node', '--port', '0']);
    const address = await addressOf(first);
    await append(address, 'noted-1');
    const second = await place.run(['node', '--port', '0']);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('in use by `verbatim node`') as string });
    first.child.kill('SIGKILL');
    await first.ended;
    const again = place.start(['node', '--port', '0']);
    const addressAgain = await addressOf(again);
    await append(addressAgain, 'noted-1');
    expect(await revisions(addressAgain, 'noted-1')).toEqual([0n, 1n]);
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(0);
  });

  it('is part of serve where a port is named', async () => {
    place = await Workplace.create();
    const serving = place.start(['serve', '--eventstore-port', '0']);
    const address = await addressOf(serving);
    expect(await revisions(address, 'verbatimLog-system.id')).toEqual([0n]);
    serving.child.kill('SIGTERM');
    expect((await serving.ended).code).toBe(0);
  });

  it('refuses an address of the network without a password, and a certificate without a key', async () => {
    place = await Workplace.create();
    const open = await place.run(['node', '--eventstore-host', '0.0.0.0']);
    expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining('without EVENTSTORE_PASSWORD') as string });
    const half = await place.run(['node'], { EVENTSTORE_TLS_KEY: 'x'.repeat(64) });
    expect(half).toMatchObject({ code: 1, stderr: expect.stringContaining('go together') as string });
  });
});
