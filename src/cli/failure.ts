/** How a command ends when it cannot do its work: one clear line with a code, never a stack trace. */
import { ConfigError } from '../config/config.ts';
import { FolderLockedError } from '../data-folder/lock.ts';
import { BackupTargetError } from '../data-folder/backup.ts';
import { DamagedBackupError } from '../data-folder/backup-manifest.ts';
import { RestoreTargetError } from '../data-folder/restore.ts';
import { BadSecretFileError } from '../data-folder/secrets.ts';
import { Rejection } from '../domain/decider.ts';
import { CorruptLogError } from '../event-store/errors.ts';
import { ForeignCodecError, UnreadableLogIdentityError } from '../event-store/log-identity.ts';
import { MigrationRefusedError } from '../event-store/migration/comparison.ts';
import { KeyringDamagedError, KeyringMissingError, KeyringOfAnotherLogError } from '../keyring/keyring-files.ts';
import { RequestError, UnavailableError } from '../errors.ts';
import { UnsupportedNodeError } from '../gateway/sockets.ts';

export const EXIT_OK = 0;
/** Something was found: bad lines, a start that failed. */
export const EXIT_FINDING = 1;
export const EXIT_USAGE = 2;

/** `message` is whole sentences that say what to do; more lines where there is more than one problem. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly code: string;
  readonly exitCode: number;
  constructor(code: string, message: string, exitCode: number = EXIT_FINDING) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

const CODES: readonly (readonly [new (...args: never[]) => Error, code: string])[] = [
  [FolderLockedError, 'data-folder-in-use'],
  [BadSecretFileError, 'bad-secret-file'],
  [CorruptLogError, 'corrupt-log'],
  [ForeignCodecError, 'foreign-codec'],
  [UnreadableLogIdentityError, 'foreign-log'],
  [KeyringMissingError, 'keyring-missing'],
  [KeyringDamagedError, 'keyring-damaged'],
  [KeyringOfAnotherLogError, 'keyring-of-another-log'],
  [BackupTargetError, 'backup-target'],
  [DamagedBackupError, 'damaged-backup'],
  [RestoreTargetError, 'restore-target'],
  [MigrationRefusedError, 'migration-refused'],
  [UnavailableError, 'unavailable'],
  [UnsupportedNodeError, 'unsupported-node'],
];

const ANOTHER_FOLDER = 'Name a folder that this user may write to, with DATA_DIR or --data-dir.';
const ANOTHER_DISK = 'Make room, or name a folder elsewhere with DATA_DIR or --data-dir.';

/** What the system says no to is the data folder, wherever a command has not said otherwise itself. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [said: string, advice: string]>> = {
  EACCES: ['permission denied', ANOTHER_FOLDER],
  EPERM: ['not permitted', ANOTHER_FOLDER],
  ENOENT: ['no such file or folder', ANOTHER_FOLDER],
  ENOTDIR: ['a part of the path is no folder', ANOTHER_FOLDER],
  EEXIST: ['a file where a folder was expected', ANOTHER_FOLDER],
  EISDIR: ['a folder where a file was expected', ANOTHER_FOLDER],
  ELOOP: ['links that lead in a circle', ANOTHER_FOLDER],
  ENAMETOOLONG: ['the path is too long', ANOTHER_FOLDER],
  EROFS: ['the file system is read-only', ANOTHER_FOLDER],
  ENOSPC: ['the disk is full', ANOTHER_DISK],
  EDQUOT: ['the quota is used up', ANOTHER_DISK],
  EMFILE: ['too many open files', 'Allow more with `ulimit -n`.'],
};

/** Undefined for what nobody foresaw: a bug, to be told with its stack. */
export function failureOf(error: unknown): CliFailure | undefined {
  if (error instanceof CliFailure) return error;
  if (error instanceof ConfigError)
    return new CliFailure('bad-config', error.message, error.fromFlag ? EXIT_USAGE : EXIT_FINDING);
  if (error instanceof RequestError || error instanceof Rejection) return new CliFailure(error.code, error.message);
  const known = CODES.find(([kind]) => error instanceof kind);
  if (known) return new CliFailure(known[1], withCause(error as Error));
  const { code, path } = error as NodeJS.ErrnoException;
  const [said, advice] = SYSTEM_ERRORS[code ?? ''] ?? [];
  if (code !== undefined && said !== undefined && advice !== undefined)
    return new CliFailure(code.toLowerCase(), `${path ?? 'The system'}: ${said}. ${advice}`);
  return undefined;
}

function withCause({ message, cause }: Error): string {
  if (!(cause instanceof Error)) return message;
  const [, advice] = SYSTEM_ERRORS[(cause as NodeJS.ErrnoException).code ?? ''] ?? [];
  return `${message} (${cause.message})${advice === undefined ? '' : `. ${advice}`}`;
}

/** One line a problem, each naming the program and the code. */
export function failureLines(failure: CliFailure): string {
  return failure.message
    .split('\n')
    .map(line => `verbatim: ${failure.code}: ${line}\n`)
    .join('');
}
