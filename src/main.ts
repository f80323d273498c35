/**
 * The command line: `verbatim serve | node | token | import | export | migrate | erase | apikey | check | scavenge |
 * backup | restore | rebuild | verify | config`. Exit codes: 0, 1 (a finding), 2 (usage).
 */
import { readFileSync } from 'node:fs';
import { Argument, Command, CommanderError } from 'commander';
import { loadConfig } from './config/config.ts';
import type { LoadedConfig } from './config/config.ts';
import { configMarkdown, listConfig } from './config/listing.ts';
import type { SettingName } from './config/settings.ts';
import type { ApiKeyCommand } from './cli/api-keys.ts';
import type { EraseCommand } from './cli/erase.ts';
import type { ExportCommand } from './cli/export.ts';
import { EXIT_FINDING, EXIT_OK, EXIT_USAGE, failureLines, failureOf } from './cli/failure.ts';
import { addEventStoreCommands } from './cli/event-store-commands.ts';
import { addLogCommands } from './cli/log-commands.ts';
import { addSettingFlags, settingFlags } from './cli/flags.ts';
import { createToken, ROLES } from './cli/token.ts';
import type { TokenRequest } from './cli/token.ts';

/** Parses and runs one command; resolves with the exit code when it has ended. Never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: EXIT_OK, isServing: false };
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A server says where it is, and goes on whether or not anybody listens.
    if (!outcome.isServing) endOnClosedPipe(error);
  });
  try {
    await createProgram(outcome).parseAsync([...argv], { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    const failure = failureOf(error);
    process.stderr.write(failure ? failureLines(failure) : `verbatim: internal: a bug: ${describeBug(error)}\n`);
    return failure?.exitCode ?? EXIT_FINDING;
  }
}

interface Outcome {
  exitCode: number;
  isServing: boolean;
}

const SHOWN = {
  serve: [
    'DATA_DIR',
    'HTTP_PORT',
    'GATEWAY_PORT',
    'HOST',
    'LOG_LEVEL',
    'SHUTDOWN_GRACE_MS',
    'JWT_SECRET',
    'ROOT_SECRET',
    'EVENTSTORE_PORT',
  ],
  node: ['DATA_DIR', 'EVENTSTORE_HOST', 'LOG_LEVEL', 'SHUTDOWN_GRACE_MS', 'EVENTSTORE_USER', 'EVENTSTORE_PASSWORD'],
  token: ['DATA_DIR', 'JWT_SECRET'],
  import: ['DATA_DIR', 'JWT_SECRET'],
  export: ['DATA_DIR', 'JWT_SECRET'],
  erase: ['DATA_DIR', 'JWT_SECRET'],
  apikey: ['DATA_DIR', 'JWT_SECRET'],
  check: ['DATA_DIR'],
  scavenge: ['DATA_DIR', 'JWT_SECRET'],
  backup: ['DATA_DIR', 'ROOT_SECRET'],
  restore: ['DATA_DIR', 'ROOT_SECRET'],
  migrate: ['EVENTSTORE_URL'],
  rebuild: ['DATA_DIR', 'JWT_SECRET', 'MONGODB_URL'],
  verify: ['DATA_DIR', 'JWT_SECRET', 'MONGODB_URL'],
  config: ['DATA_DIR', 'HTTP_PORT', 'GATEWAY_PORT', 'HOST'],
} as const satisfies Readonly<Record<string, readonly SettingName[]>>;

const HELP_END = `
Every setting is an environment variable (HTTP_PORT), a file that one names (HTTP_PORT_FILE), and a flag after any
command (--http-port); a secret is given by flag as a file alone (--jwt-secret-file). Each command's help shows the flags
it is used with most, \`verbatim config\` lists every setting.
Exit codes: 0 done, 1 a finding (bad lines, a failed start), 2 wrong usage.`;

function createProgram(outcome: Outcome): Command {
  const program = new Command('verbatim')
    .description('An event-sourced chat backend: resume from any revision, nothing lost, nothing twice.')
    .version(packageVersion(), '--version')
    .helpOption('--help')
    .addHelpText('after', HELP_END)
    .exitOverride()
    .configureOutput({ outputError: usageError('verbatim') });
  const add: AddCommand = (name, description) => {
    // Copied by commander: exitOverride and output go down to commands made by it.
    const command = program.command(name).description(description).helpOption('--help');
    command.configureOutput({ outputError: usageError(`verbatim ${name}`) });
    addSettingFlags(command, SHOWN[name]);
    return command;
  };
  add('serve', 'run the server: HTTP, the page and the WebSocket gateway').action(
    async (_options, command: Command) => {
      // Loaded here, since only this command needs the native WebSocket server.
      const { serve } = await import('./cli/serve.ts');
      outcome.isServing = true;
      outcome.exitCode = await serve(loadedFor(command));
    },
  );
  add('token', 'sign a token with the secret in use, and print it alone')
    .requiredOption('--role <role>', ROLES.join(', '))
    .requiredOption('--sub <id>', 'who it is for: an opaque id, no name or address')
    .option('--tenant <tenant>', 'the tenant', 'default')
    .option('--rooms <rooms>', 'what a visitor may see and start: conversation:42, separated by commas')
    .option('--expires <time>', 'how long it is valid: 30s, 15m, 1h, 7d', '1h')
    .action(async (request: TokenRequest, command: Command) => {
      process.stdout.write(`${await createToken(configOf(command).config, request)}\n`);
    });
  addTransfers(add, outcome);
  add('erase', "erase a person's data for good: every text of their conversations, and their name everywhere")
    .requiredOption('--subject <id>', 'whose: the id of a visitor or an author, or of a conversation without a visitor')
    .requiredOption('--by <id>', 'who asked for it: an opaque id, kept with the erasure')
    .requiredOption('--reason <text>', 'why, kept with it: no name, nothing personal')
    .option('--tenant <tenant>', 'the tenant', 'default')
    .option('--url <url>', 'a running server; without it, the one that has the data folder, else the folder itself')
    .action(async (options: EraseCommand, command: Command) => {
      const { eraseSubject } = await import('./cli/erase.ts');
      outcome.exitCode = await eraseSubject(configOf(command), options);
    });
  add('apikey', 'create, list or revoke the API keys of a tenant; a new one is printed once, alone')
    .addArgument(new Argument('<action>', 'what to do').choices(['create', 'list', 'revoke']))
    .argument('[key-id]', 'the key to revoke')
    .option('--tenant <tenant>', 'the tenant', 'default')
    .option('--name <name>', 'what a new key is for')
    .option('--role <role>', 'the role of a new key')
    .option('--url <url>', 'a running server; without it, the one that has the data folder, else the folder itself')
    .action(
      async (
        action: ApiKeyCommand['action'],
        keyId: string | undefined,
        options: Omit<ApiKeyCommand, 'action'>,
        command: Command,
      ) => {
        const { manageApiKeys } = await import('./cli/api-keys.ts');
        outcome.exitCode = await manageApiKeys(configOf(command), { ...options, action, keyId });
      },
    );
  addEventStoreCommands(add, { configOf, loadedFor }, outcome);
  addLogCommands(add, configOf, outcome);
  addProjectionCommands(add, outcome);
  add('config', 'print every setting: value, default, unit and where it came from; secrets masked')
    .option('--markdown', 'print the reference page instead')
    .action((options: { markdown?: true }, command: Command) => {
      if (options.markdown) process.stdout.write(configMarkdown());
      else process.stdout.write(`${listConfig(configOf(command))}\n`);
    });
  return program;
}

type AddCommand = (name: keyof typeof SHOWN, description: string) => Command;

/** What brings conversations in and out. */
function addTransfers(add: AddCommand, outcome: { exitCode: number }): void {
  add('import', 'import conversations from NDJSON, plain or gzipped; again is safe, and goes on where it ended')
    .argument('<file>', 'the file, or - for stdin')
    .option('--tenant <tenant>', 'the tenant', 'default')
    .option('--url <url>', 'a running server; without it, the one that has the data folder, else the folder itself')
    .action(async (file: string, options: { tenant: string; url?: string }, command: Command) => {
      const { importFile } = await import('./cli/import.ts');
      outcome.exitCode = await importFile(configOf(command), { file, tenant: options.tenant, url: options.url });
    });
  add('export', 'write conversations as NDJSON to stdout: every message, in the shape that an import takes')
    .option('--tenant <tenant>', 'the tenant', 'default')
    .option('--conversation <id>', 'only this one')
    .option('--from <time>', 'only messages at or after it: 2026-03-01, 2026-03-01T12:00:00Z')
    .option('--to <time>', 'only messages before it')
    .option('--url <url>', 'a running server; without it, the one that has the data folder, else the folder itself')
    .action(async (options: ExportCommand, command: Command) => {
      const { exportConversations } = await import('./cli/export.ts');
      outcome.exitCode = await exportConversations(configOf(command), options);
    });
}

/** What works on read models. */
function addProjectionCommands(add: AddCommand, outcome: { exitCode: number }): void {
  const url = ['--url <url>', 'a running server; without it, the one that has the data folder'] as const;
  add(
    'rebuild',
    'build a read model anew from the log, beside the old one, which answers until the new one has caught up',
  )
    .argument('<name>', 'messages or conversations')
    .option(...url)
    .action(async (name: string, options: { url?: string }, command: Command) => {
      const { rebuildProjection } = await import('./cli/projections.ts');
      outcome.exitCode = await rebuildProjection(configOf(command), { name, url: options.url });
    });
  add('verify', 'fold the log afresh and hold a read model to it, document for document')
    .argument('<name>', 'messages or conversations')
    .option(...url)
    .action(async (name: string, options: { url?: string }, command: Command) => {
      const { verifyProjection } = await import('./cli/projections.ts');
      outcome.exitCode = await verifyProjection(configOf(command), { name, url: options.url });
    });
}

/** One line like every other failure's; `command` is the one whose help has the answer. */
function usageError(command: string): (text: string, write: (text: string) => void) => void {
  return (text, write) => {
    write(`verbatim: usage: ${text.replace(/^error: /, '').trim()} (see ${command} --help)\n`);
  };
}

/** Warns on stderr; the server has a log for that. */
function configOf(command: Command): LoadedConfig {
  const loaded = loadedFor(command);
  for (const warning of loaded.warnings) process.stderr.write(`verbatim: warning: ${warning}\n`);
  return loaded;
}

/** @param more flags that a command has another word for */
function loadedFor(command: Command, more: Readonly<Record<string, string>> = {}): LoadedConfig {
  return loadConfig({ environment: process.env, flags: { ...settingFlags(command.opts()), ...more } });
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

function describeBug(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** `verbatim config | head`: the reader has enough. */
function endOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT_OK);
  throw error;
}
