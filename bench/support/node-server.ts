/** A process with the embedded log in a folder of its own (the argument), served as an EventStoreDB node. */
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import { startNode } from '../../src/event-store/node/node.ts';
import { answerParent, CpuWindow } from './child-process.ts';
import { messageEvent } from './events.ts';

export type NodeServer = {
  port(): number;
  begin(): void;
  /** CPU since `begin`, in microseconds. */
  end(): number;
  /** Durable appends a second without a wire, so many in flight, each writer on its own stream. */
  appendInProcess(writers: number, ms: number): Promise<number>;
  prefill(events: number): Promise<void>;
  /** Events a second of one subscriber to everything without a wire. */
  catchUpInProcess(events: number): Promise<number>;
};

const PREFILL_APPEND_EVENTS = 500;
const directory = process.argv[2];
if (directory === undefined) throw new Error('The folder is the argument.');
const store = await openEmbeddedEventStore({ directory });
const node = await startNode({ store, port: 0 });
const cpu = new CpuWindow();
let runs = 0;

const answers: NodeServer = {
  port: () => node.port,
  begin: () => {
    cpu.begin();
  },
  end: () => cpu.end(),
  appendInProcess: async (writers, ms) => {
    let appended = 0;
    const run = ++runs;
    const begunMs = performance.now();
    const write = async (writer: number): Promise<void> => {
      while (performance.now() - begunMs < ms) {
        await store.append(`bench-${run}-${writer}`, [messageEvent()], { expectedRevision: 'any' });
        appended += 1;
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    return (appended / (performance.now() - begunMs)) * 1_000;
  },
  prefill: async events => {
    for (let n = 0; n < events; n += PREFILL_APPEND_EVENTS)
      await store.append(`prefill-${n % 97}`, Array.from({ length: PREFILL_APPEND_EVENTS }, messageEvent), {
        expectedRevision: 'any',
      });
  },
  catchUpInProcess: async events => {
    const begunMs = performance.now();
    let seen = 0;
    for await (const message of store.subscribeToAll({ after: 'start' })) {
      if (message.kind === 'events') seen += message.events.length;
      if (seen >= events) break;
    }
    return (seen / (performance.now() - begunMs)) * 1_000;
  },
};
answerParent(answers, async () => {
  await node.close(0);
  await store.close();
});
