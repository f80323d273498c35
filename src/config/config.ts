/** Settings parsed once from flags, environment and mounted files, in that order of precedence; frozen afterwards. */
import { readFileSync } from 'node:fs';
import { flagOf, NOT_SUPPORTED_YET, SETTING_NAMES, SETTINGS } from './settings.ts';
import { isLoopback } from './loopback.ts';
import type { Config, SettingName } from './settings.ts';
import type { Setting } from './setting.ts';

/** Where a value came from; `default` also where there is none. */
export type Source = 'flag' | 'environment' | 'file' | 'default';

export interface LoadedConfig {
  readonly config: Config;
  readonly sources: Readonly<Record<SettingName, Source>>;
  /** One line each: variables that look like a misspelt setting. */
  readonly warnings: readonly string[];
}

/** Every problem found, a line each; `fromFlag` where a flag was wrong. No line holds the value of a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];
  readonly fromFlag: boolean;
  constructor(problems: readonly string[], fromFlag: boolean) {
    super(problems.join('\n'));
    this.problems = problems;
    this.fromFlag = fromFlag;
  }
}

export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By variable: HTTP_PORT, JWT_SECRET_FILE. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly readFile?: (path: string) => string;
}

/** @throws ConfigError */
export function loadConfig(from: ConfigSources): LoadedConfig {
  const problems: string[] = [];
  let fromFlag = false;
  for (const name of NOT_SUPPORTED_YET) {
    if (from.environment[name] || from.environment[`${name}_FILE`])
      problems.push(
        `${name} is not supported yet: this release runs in one process with its embedded storage. Unset it.`,
      );
  }
  const values: Record<string, unknown> = {};
  const sources: Partial<Record<SettingName, Source>> = {};
  for (const name of SETTING_NAMES) {
    const setting: Setting<unknown> = SETTINGS[name];
    const found = findText(name, from);
    if (found.problem !== undefined) problems.push(found.problem);
    sources[name] = found.source;
    if (found.text === undefined) {
      values[name] = setting.fallback;
      continue;
    }
    const parsed = setting.schema.safeParse(found.text);
    if (parsed.success) values[name] = parsed.data;
    else {
      problems.push(describeBad(name, setting, found.text, found.source));
      fromFlag ||= found.source === 'flag';
    }
  }
  const contradicting = problems.length === 0 ? contradictions(values as Config) : [];
  for (const { problem, between } of contradicting) {
    problems.push(problem);
    fromFlag ||= between.some(name => sources[name] === 'flag');
  }
  if (problems.length > 0) throw new ConfigError(problems, fromFlag);
  return {
    config: Object.freeze(values as Config),
    sources: sources as Record<SettingName, Source>,
    warnings: misspellings(from.environment),
  };
}

interface Found {
  readonly text: string | undefined;
  readonly source: Source;
  readonly problem?: string;
}

/** An empty variable counts as absent, as a compose file leaves it. */
function findText(name: SettingName, from: ConfigSources): Found {
  const { environment, flags = {} } = from;
  const fileName = `${name}_FILE`;
  if (flags[name] !== undefined) return { text: flags[name], source: 'flag' };
  const path = flags[fileName] ?? (environment[fileName] || undefined);
  const direct = environment[name] || undefined;
  if (path === undefined) return { text: direct, source: direct === undefined ? 'default' : 'environment' };
  if (direct !== undefined && flags[fileName] === undefined)
    return { text: undefined, source: 'file', problem: `${name} and ${fileName} are both set: keep one of them.` };
  try {
    const text = (from.readFile ?? readTextFile)(path).trim();
    if (text !== '') return { text, source: 'file' };
    return { text: undefined, source: 'file', problem: `${fileName} names ${path}, which is empty.` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return { text: undefined, source: 'file', problem: `${fileName} names ${path}, which cannot be read (${code}).` };
  }
}

function readTextFile(path: string): string {
  return readFileSync(path, 'utf8');
}

function describeBad(name: SettingName, setting: Setting<unknown>, value: string, source: Source): string {
  const where = { flag: ` (${flagOf(name)})`, environment: '', file: ` (from ${name}_FILE)`, default: '' }[source];
  const said = setting.secret
    ? `of ${value.length} characters is too short`
    : `is ${JSON.stringify((setting.masked?.(value) ?? value).slice(0, 200))}`;
  const example = setting.secret ? `for example ${setting.example}` : `for example ${name}=${setting.example}`;
  return `${name}${where} ${said}: expected ${setting.shape}, ${example}.`;
}

interface Contradiction {
  readonly problem: string;
  readonly between: readonly SettingName[];
}

/** Rules between settings. */
function contradictions(config: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const find = (problem: string, ...between: SettingName[]): void => {
    found.push({ problem, between });
  };
  const below = (small: SettingName, large: SettingName): void => {
    if (Number(config[small]) < Number(config[large])) return;
    const [is, bound] = [String(config[small]), String(config[large])];
    find(`${small} is ${is}: expected less than ${large}, which is ${bound}.`, small, large);
  };
  below('HEARTBEAT_MS', 'HEARTBEAT_SILENCE_MS');
  below('SEND_QUEUE_LOW_WATER_BYTES', 'SEND_QUEUE_BYTES_MAX');
  below('SEND_QUEUE_ANSWER_BYTES', 'SEND_QUEUE_BYTES_MAX');
  below('FRAME_BYTES_MAX', 'MESSAGE_BYTES_MAX');
  const { HTTP_PORT: port, HOST: host } = config;
  if (port !== 0 && port === config.GATEWAY_PORT)
    find(`HTTP_PORT and GATEWAY_PORT are both ${port}: each needs a port of its own.`, 'HTTP_PORT', 'GATEWAY_PORT');
  const { EVENTSTORE_HOST: nodeHost, EVENTSTORE_PASSWORD: password } = config;
  if (nodeHost !== undefined && !isLoopback(nodeHost) && password === undefined)
    find(
      `EVENTSTORE_HOST is ${nodeHost}: without EVENTSTORE_PASSWORD only a loopback address is allowed, for example EVENTSTORE_HOST=127.0.0.1.`,
      'EVENTSTORE_HOST',
    );
  if (config.EVENTSTORE_URL !== undefined && config.EVENTSTORE_PORT !== undefined)
    find(
      'EVENTSTORE_URL and EVENTSTORE_PORT are both set: only a log in the data folder can be served.',
      'EVENTSTORE_URL',
      'EVENTSTORE_PORT',
    );
  if ((config.EVENTSTORE_TLS_CERTIFICATE === undefined) !== (config.EVENTSTORE_TLS_KEY === undefined))
    find(
      'EVENTSTORE_TLS_CERTIFICATE and EVENTSTORE_TLS_KEY go together: set both, or neither.',
      'EVENTSTORE_TLS_CERTIFICATE',
      'EVENTSTORE_TLS_KEY',
    );
  if (config.JWT_SECRET !== undefined && config.JWKS_URL !== undefined)
    find('JWT_SECRET and JWKS_URL are both set: keep one of them.', 'JWT_SECRET', 'JWKS_URL');
  if (config.JWT_SECRET === undefined && config.JWKS_URL === undefined && host !== undefined && !isLoopback(host))
    find(
      `HOST is ${host}: without a configured JWT_SECRET or JWKS_URL only a loopback address is allowed, for example HOST=127.0.0.1.`,
      'HOST',
    );
  return found;
}

const SLIPS_MAX = 2;

/** A variable one or two slips away from a setting. Short names are too near to everything. */
function misspellings(environment: ConfigSources['environment']): string[] {
  const known = new Set([...SETTING_NAMES, ...NOT_SUPPORTED_YET].flatMap(name => [name, `${name}_FILE`]));
  const warnings: string[] = [];
  for (const variable of Object.keys(environment)) {
    if (known.has(variable) || variable.length < 6 || variable.length > 40) continue;
    const meant = [...known].find(name => name.length >= 6 && slipsBetween(variable, name) <= SLIPS_MAX);
    if (meant !== undefined) warnings.push(`${variable} is not a setting; did you mean ${meant}?`);
  }
  return warnings;
}

/** Optimal string alignment distance (insertions, deletions, substitutions, swaps of neighbours); past SLIPS_MAX, any more. */
function slipsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > SLIPS_MAX) return SLIPS_MAX + 1;
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let slips = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        slips = Math.min(slips, (before[j - 2] ?? 0) + 1);
      row.push(slips);
    }
    // Two rows that are both past it lead to nothing nearer.
    if (Math.min(...row) > SLIPS_MAX && Math.min(...last) > SLIPS_MAX) return SLIPS_MAX + 1;
    [before, last] = [last, row];
  }
  return last[b.length] ?? SLIPS_MAX + 1;
}
