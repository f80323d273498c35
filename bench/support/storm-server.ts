/** A process with one of the systems of `reconnect-storm`: its name, port, folder and secret as arguments. */
import { answerParent, CpuWindow } from './child-process.ts';
import { STORM_SYSTEMS, type StormSystemName } from './storm-systems.ts';

export type StormServer = {
  /** Where it listens, once it does. */
  port(): number;
  broadcast(text: string): void;
  begin(): void;
  /** CPU since `begin`, in milliseconds. */
  end(): number;
  /** As at SIGTERM. */
  stop(): Promise<void>;
};

const [name, port, folder = '', secret = ''] = process.argv.slice(2);
const system = await STORM_SYSTEMS[name as StormSystemName]({ port: Number(port), folder, secret });
const cpu = new CpuWindow();

const answers: StormServer = {
  port: () => system.port,
  broadcast: text => system.broadcast?.(text),
  begin: () => {
    cpu.begin();
  },
  end: () => cpu.end() / 1_000,
  stop: () => system.close(),
};
answerParent(answers, () => system.close());
