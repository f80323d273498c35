/** A process with the whole gateway over the embedded store in the folder of its argument, or over a stub without one. */
import { join } from 'node:path';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { answerParent, CpuWindow } from './child-process.ts';
import { startGateway } from './gateway.ts';
import { StubEventStore } from './stub-event-store.ts';
import type { WireAddress } from './wire-socket.ts';

export type SendToAckServer = {
  address(): WireAddress;
  begin(): void;
  /** CPU since `begin`, in microseconds. */
  end(): number;
};

const folder = process.argv[2];
const store =
  folder === undefined ? new StubEventStore() : await openEmbeddedEventStore({ directory: join(folder, 'log') });
const gateway = await startGateway(store);
const cpu = new CpuWindow();

const answers: SendToAckServer = {
  address: () => gateway.address,
  begin: () => {
    cpu.begin();
  },
  end: () => cpu.end(),
};
answerParent(answers, async () => {
  await gateway.close();
  await store.close();
});
