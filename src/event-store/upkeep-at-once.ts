/**
 * One work on a log's files at a time. A backup copies segments by the names and lengths that they had when it began,
 * and scavenging puts other files under those names; two backups into one folder would remove each other's files.
 */
import { UnavailableError } from '../errors.ts';
import type { LogUpkeep } from './log-upkeep.ts';

/** @throws UnavailableError from either while one of them is under way */
export function oneAtATime(upkeep: LogUpkeep): LogUpkeep {
  let running: string | undefined;
  const alone = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
    if (running !== undefined)
      throw new UnavailableError(`The log is busy with ${running}; try again when it has ended.`);
    running = what;
    try {
      return await work();
    } finally {
      running = undefined;
    }
  };
  return {
    scavenge: options => alone('scavenging', () => upkeep.scavenge(options)),
    backup: (target, options) => alone('a backup', () => upkeep.backup(target, options)),
  };
}
