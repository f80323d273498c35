/** The settings as flags of a command: `--http-port 3000`, and for secrets the file alone: `--jwt-secret-file PATH`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { flagOf, SETTING_NAMES, SETTINGS } from '../config/settings.ts';
import type { SettingName } from '../config/settings.ts';
import type { Setting } from '../config/setting.ts';

/** Every setting is a flag of every command; `shown` are those its help lists, `verbatim config` lists all. */
export function addSettingFlags(command: Command, shown: readonly SettingName[]): void {
  for (const name of SETTING_NAMES) {
    const setting: Setting<unknown> = SETTINGS[name];
    // A secret on a command line is read by every user of the machine.
    const variable = setting.secret ? `${name}_FILE` : name;
    const value = setting.secret ? 'path' : setting.unit || 'value';
    const option = new Option(`${flagOf(variable)} <${value}>`, setting.meaning);
    command.addOption(shown.includes(name) ? option : option.hideHelp());
  }
}

/** By variable, as `loadConfig` takes them. Commander gives `--http-port` as `httpPort`. */
export function settingFlags(options: Readonly<Record<string, unknown>>): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const name of SETTING_NAMES) {
    for (const variable of [name, `${name}_FILE`]) {
      const key = variable.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
      const value = options[key];
      if (typeof value === 'string') flags[variable] = value;
    }
  }
  return flags;
}
