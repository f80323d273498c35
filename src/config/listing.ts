/** The table of settings in words: for a terminal, and as the page docs/operators/configuration.md. */
import { SETTING_GROUPS } from './setting.ts';
import { flagOf, SETTING_NAMES, SETTINGS } from './settings.ts';
import type { LoadedConfig } from './config.ts';
import type { Config, SettingName } from './settings.ts';
import type { Setting } from './setting.ts';

const MASK = '********';

function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name];
}

function show(value: Config[SettingName]): string {
  if (value === undefined) return '-';
  if (typeof value === 'object') return value.length === 0 ? '-' : value.join(',');
  return String(value);
}

/** Columns as wide as their content; the last one is not padded. */
function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map(row =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Value, default, unit and source of every setting; secrets masked. */
export function listConfig(loaded: LoadedConfig): string {
  const rows = [['NAME', 'VALUE', 'DEFAULT', 'UNIT', 'FROM']];
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    rows.push([
      name,
      shownValue(setting, loaded.config[name]),
      show(SETTINGS[name].fallback),
      setting.unit || '-',
      describeSource(setting, loaded, name),
    ]);
  }
  return alignColumns(rows);
}

function shownValue(setting: Setting<unknown>, value: Config[SettingName]): string {
  if (setting.secret && value !== undefined) return MASK;
  return setting.masked !== undefined && typeof value === 'string' ? setting.masked(value) : show(value);
}

/** What stands in for a value that is not set is said last, where long words push nothing aside. */
function describeSource(setting: Setting<unknown>, { config, sources }: LoadedConfig, name: SettingName): string {
  const absent = config[name] === undefined ? setting.absent : undefined;
  return absent === undefined ? sources[name] : `${sources[name]}: ${absent}`;
}

export function configMarkdown(): string {
  const parts = [INTRODUCTION];
  for (const group of SETTING_GROUPS) {
    const names = SETTING_NAMES.filter(name => settingOf(name).group === group);
    if (names.length === 0) continue;
    parts.push(
      `## ${group}\n\n| variable | default | unit | what it does | takes | example |\n| --- | --- | --- | --- | --- | --- |`,
    );
    parts.push(names.map(markdownRow).join('\n'), '');
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

function markdownRow(name: SettingName): string {
  const setting = settingOf(name);
  const shown = show(SETTINGS[name].fallback);
  const fallback = setting.absent ?? (shown === '-' ? 'none' : `\`${shown}\``);
  const example = setting.secret ? setting.example : `\`${setting.example}\``;
  const cells = [`\`${name}\``, fallback, setting.unit, setting.meaning, setting.shape, example];
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

const INTRODUCTION = `# Configuration

<!-- Written by \`verbatim config --markdown\` from src/config/settings.ts. Do not edit it by hand. -->

Everything is an environment variable, read once at the start. Each may also be given as \`NAME_FILE\`, the path of a
file that holds the value (a mounted secret), and, unless it is a secret, as a flag: \`${flagOf('HTTP_PORT')} 3000\` for
\`HTTP_PORT\`. A flag wins over the environment. Setting both \`NAME\` and \`NAME_FILE\` is an error; an empty variable counts as
absent. A bad value stops the start with the variable's name, what it takes and an example; a variable that looks
like a misspelt one is warned of. \`verbatim config\` prints what is in force and where it came from, secrets masked.
`;
