/** A process with one of the systems of `fan-out`, named as its argument. */
import { answerParent, CpuWindow } from './child-process.ts';
import { Conversation, SYSTEMS, type Door, type SystemName } from './fan-out-systems.ts';

export type FanOutServer = {
  door(): Door;
  begin(): void;
  /** Sends so many events to the whole room in one turn. */
  burst(events: number): Promise<void>;
  /** CPU since `begin`, in microseconds. */
  end(): number;
};

const system = await SYSTEMS[process.argv[2] as SystemName]();
const conversation = new Conversation();
const cpu = new CpuWindow();

const answers: FanOutServer = {
  door: () => system.door,
  begin: () => {
    cpu.begin();
  },
  burst: async events => {
    await system.send(await conversation.burst(events));
  },
  end: () => cpu.end(),
};
answerParent(answers, () => system.close());
