/** `verbatim node | migrate`: the log in EventStoreDB's protocol, and copied to an EventStoreDB or back. */
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/config.ts';
import type { MigrateCommand } from './migrate.ts';

interface Outcome {
  exitCode: number;
  isServing: boolean;
}

/**
 * @param add makes a command with the flags of its settings
 * @param configOf warns on stderr; `loadedFor` leaves that to a server's log, and takes more flags by the settings' names
 */
export function addEventStoreCommands(
  add: (name: 'node' | 'migrate', description: string) => Command,
  {
    configOf,
    loadedFor,
  }: {
    readonly configOf: (command: Command) => LoadedConfig;
    readonly loadedFor: (command: Command, more: Readonly<Record<string, string>>) => LoadedConfig;
  },
  outcome: Outcome,
): void {
  add('node', "serve the log of a data folder in EventStoreDB's protocol, and nothing else")
    .option('--port <port>', 'its port, another word for --eventstore-port (2113)')
    .action(async ({ port }: { port?: string }, command: Command) => {
      const { serveNode } = await import('./node.ts');
      outcome.isServing = true;
      outcome.exitCode = await serveNode(loadedFor(command, port === undefined ? {} : { EVENTSTORE_PORT: port }));
    });
  add('migrate', 'copy a whole log from a data folder to an EventStoreDB, or back; again goes on where it ended')
    .requiredOption('--from <log>', 'a data folder, a connection string, or EVENTSTORE_URL for the one that is set')
    .requiredOption('--to <log>', 'the same; empty, or a copy that was begun')
    .action(async (options: MigrateCommand, command: Command) => {
      const { migrate } = await import('./migrate.ts');
      outcome.exitCode = await migrate(configOf(command), options);
    });
}
