/** `verbatim check | scavenge | backup | restore`: the commands that work on a log's own files. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/config.ts';

interface Outcome {
  exitCode: number;
}

const URL_FLAG = ['--url <url>', 'a running server; without it, the one that has the data folder'] as const;

/** @param add makes a command with the flags of its settings */
export function addLogCommands(
  add: (name: 'check' | 'scavenge' | 'backup' | 'restore', description: string) => Command,
  configOf: (command: Command) => LoadedConfig,
  outcome: Outcome,
): void {
  add('check', 'walk the whole log and its index, and name the first fault; of a log in use, up to its end now')
    .option('--sealed', 'open every sealed field too: needs the folder to itself')
    .action(async (options: { sealed?: true }, command: Command) => {
      const { checkLog } = await import('./check.ts');
      outcome.exitCode = await checkLog(configOf(command), { sealed: options.sealed === true });
    });
  add('scavenge', 'give the disk back what truncation, deletion or age has hidden from every reader')
    .option(...URL_FLAG)
    .action(async (options: { url?: string }, command: Command) => {
      const { scavengeLog } = await import('./scavenge.ts');
      outcome.exitCode = await scavengeLog(configOf(command), options);
    });
  add('backup', 'copy log, keyring and secrets into a folder, while the server runs or not; again copies what is new')
    .addArgument(new Argument('<target>', 'a folder on the machine of the server: empty, new, or the last backup'))
    .option(...URL_FLAG)
    .action(async (target: string, options: { url?: string }, command: Command) => {
      const { backUpFolder } = await import('./backup.ts');
      outcome.exitCode = await backUpFolder(configOf(command), { target, url: options.url });
    });
  add('restore', 'make a data folder from a backup, with a new log id, so that clients begin anew')
    .addArgument(new Argument('<backup>', 'the folder that `verbatim backup` wrote'))
    .action(async (backup: string, _options: unknown, command: Command) => {
      const { restoreFolder } = await import('./backup.ts');
      outcome.exitCode = await restoreFolder(configOf(command), backup);
    });
}
