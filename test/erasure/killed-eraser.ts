/**
 * Erases a subject in a data folder, and is killed (SIGKILL, by itself) at a place of the way:
 * `told`: the log has the erasure, the keyring nothing; `marked`: the key is a free page of its file; `published`: the
 * rewritten file has its name, the old one is still there.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { openEngine } from '../../src/cli/engine.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';

const [directory = '', tenant = '', subject = '', place = ''] = process.argv.slice(2);

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way: nothing may happen until it comes.
  for (;;);
}

/** Told: the append is durable, and nobody has heard of it. */
function dyingWhenTold(store: EventStore): EventStore {
  return new Proxy(store, {
    get(target, name) {
      if (name !== 'append') {
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return async (...args: Parameters<EventStore['append']>) => {
        const result = await target.append(...args);
        return args[1].some(({ type }) => type === 'SubjectErased') ? die() : result;
      };
    },
  });
}

const { open, rename } = fs;
if (place === 'marked') fs.open = (path, ...more) => (String(path).endsWith('.draft') ? die() : open(path, ...more));
if (place === 'published')
  fs.rename = async (from, to) => {
    await rename(from, to);
    if (String(from).endsWith('.draft')) die();
  };
syncBuiltinESMExports();

const { config } = loadConfig({ environment: { DATA_DIR: directory }, flags: {} });
const observeStore = place === 'told' ? dyingWhenTold : (store: EventStore) => store;
const engine = await openEngine({ config, logger: silentLogger, command: 'erase', onLost: die, observeStore });
const by = { id: 'the-officer', role: 'service' } as const;
await engine.eraseSubject({ tenant, subject, by, reason: 'asked to', commandId: 'erase-1' });
process.stdout.write('erased\n');
await engine.close();
