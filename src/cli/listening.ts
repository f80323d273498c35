/** Why a port could not be listened on, in words that say what to do. */
import { flagOf } from '../config/settings.ts';
import type { SettingName } from '../config/settings.ts';
import { CliFailure } from './failure.ts';

/** @param settings those that say where: the port, and the address it is on */
export function listeningFailure(
  error: unknown,
  settings: { readonly port: SettingName; readonly host: SettingName },
  host: string,
  port: number,
): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const { port: setting } = settings;
  const flag = flagOf(setting);
  if (code === 'EADDRINUSE')
    return new CliFailure(
      'port-in-use',
      `${setting} ${port} is in use on ${host}: choose another with ${setting} or ${flag}, or 0 for any free one.`,
    );
  if (code === 'EACCES')
    return new CliFailure(
      'port-not-allowed',
      `${setting} ${port} may not be used by this user: choose one above 1023 with ${setting} or ${flag}.`,
    );
  if (code === 'EADDRNOTAVAIL')
    return new CliFailure(
      'bad-host',
      `${settings.host} ${host} is no address of this machine: set ${settings.host} to one that is, for example ${settings.host}=127.0.0.1.`,
    );
  return error;
}
