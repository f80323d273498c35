/** A process with one of the systems of `fan-out`, named as its argument, that says how much memory it has in use. */
import { setFlagsFromString } from 'node:v8';
import { setTimeout as delay } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { answerParent } from './child-process.ts';
import { SYSTEMS, type Door, type SystemName } from './fan-out-systems.ts';

export interface Memory {
  readonly resident: number;
  /** Of JavaScript: objects, and buffers beside them. */
  readonly heap: number;
}

export type IdleServer = {
  door(): Door;
  /** After everything that can be collected was. */
  memory(): Promise<Memory>;
};

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: object) => void;
/** Collections in a row, with pauses in which memory is handed back to the system, until no more of it is. */
const COLLECTIONS_MIN = 6;
const COLLECTIONS_MAX = 40;
const SETTLED_BYTES = 262_144;
const PAUSE_MS = 200;

const system = await SYSTEMS[process.argv[2] as SystemName]();

const answers: IdleServer = {
  door: () => system.door,
  memory: async () => {
    let before = Infinity;
    for (let i = 0; i < COLLECTIONS_MAX; i++) {
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      await delay(PAUSE_MS);
      const resident = process.memoryUsage.rss();
      if (i >= COLLECTIONS_MIN && before - resident < SETTLED_BYTES) break;
      before = resident;
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { resident: rss, heap: heapUsed + external };
  },
};
answerParent(answers, () => {
  // Thousands of sockets need no goodbye.
  process.exit();
});
