/** The clients of a storm, spread over processes, so that one thread of theirs is not what everybody waits for. */
import type { StormVerdict } from '../../test/chaos/storm-checker.ts';
import { startChild, type Child } from './child-process.ts';
import type { StormClients, StormPlan } from './storm-clients.ts';

const PROCESSES = 2;
/** Until the cuts are counted from, so that every process has heard of it. */
const HEARD_MS = 50;

export interface StormCrowd {
  /** As of `StormClients`, of all of them. */
  connect(plan: StormPlan): Promise<void>;
  storm(): Promise<void>;
  settle(sentAt: number[], ms: number): Promise<StormVerdict & { readonly cuts: number }>;
  end(): Promise<void>;
}

export function startStormCrowd(): StormCrowd {
  const parts = Array.from({ length: PROCESSES }, () => startChild<StormClients>('storm-clients', []));
  const all = <Result>(ask: (child: Child<StormClients>, i: number) => Promise<Result>) => Promise.all(parts.map(ask));
  return {
    connect: async plan => {
      const share = Math.ceil(plan.clients / PROCESSES);
      const part = (i: number) => ({ first: i * share, end: Math.min(plan.clients, (i + 1) * share) });
      await all((child, i) => child.ask('connect', plan, part(i)));
    },
    storm: async () => {
      const at = performance.timeOrigin + performance.now() + HEARD_MS;
      await all(child => child.ask('storm', at));
    },
    settle: async (sentAt, ms) => {
      const verdicts = await all(child => child.ask('settle', sentAt, ms));
      const sum = (count: 'expected' | 'delivered' | 'lost' | 'duplicates' | 'disordered' | 'cuts') =>
        verdicts.reduce((total, verdict) => total + verdict[count], 0);
      return {
        ...{ expected: sum('expected'), delivered: sum('delivered'), lost: sum('lost') },
        ...{ duplicates: sum('duplicates'), disordered: sum('disordered'), cuts: sum('cuts') },
        replayMs: verdicts.flatMap(({ replayMs }) => replayMs).sort((a, b) => a - b),
      };
    },
    end: async () => {
      await all(child => child.end());
    },
  };
}
