import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import type { ConfigSources } from '../../src/config/config.ts';
import { EMBEDDED_DEFAULTS } from '../../src/event-store/event-store.embedded.ts';
import { configMarkdown, listConfig } from '../../src/config/listing.ts';
import { NOT_SUPPORTED_YET, SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts';
import type { Setting } from '../../src/config/setting.ts';

const SECRET = 'kept-out-of-every-message-0123456789';

function problemsOf(from: ConfigSources): readonly string[] {
  try {
    loadConfig(from);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('without anything set', () => {
  it('every setting has its default, and the result is frozen', () => {
    const { config, sources, warnings } = loadConfig({ environment: {} });
    expect(config).toMatchObject({ DATA_DIR: 'data', HTTP_PORT: 3_000, GATEWAY_PORT: 3_001, LOG_LEVEL: 'info' });
    expect(config.JWT_SECRET).toBeUndefined();
    expect(Object.isFrozen(config)).toBe(true);
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']));
    expect(warnings).toEqual([]);
  });
});

describe('a value', () => {
  it('is taken from a flag before the environment, and from a file that NAME_FILE names', () => {
    const { config, sources } = loadConfig({
      environment: { HTTP_PORT: '4000', GATEWAY_PORT: '4001', JWT_SECRET_FILE: '/run/secrets/jwt' },
      flags: { HTTP_PORT: '5000' },
      readFile: path => (path === '/run/secrets/jwt' ? `${SECRET}\n` : ''),
    });
    expect(config).toMatchObject({ HTTP_PORT: 5_000, GATEWAY_PORT: 4_001, JWT_SECRET: SECRET });
    expect(sources).toMatchObject({ HTTP_PORT: 'flag', GATEWAY_PORT: 'environment', JWT_SECRET: 'file' });
  });

  it('that is empty counts as absent', () => {
    expect(loadConfig({ environment: { HTTP_PORT: '', JWT_SECRET: '' } }).config.HTTP_PORT).toBe(3_000);
  });

  it('of the storage has the default of the store itself', () => {
    const { config } = loadConfig({ environment: {} });
    expect({
      segmentBytes: config.SEGMENT_BYTES,
      tailBytesMax: config.LOG_TAIL_BYTES_MAX,
      queueBytesMax: config.APPEND_QUEUE_BYTES_MAX,
      streamsCachedMax: config.STREAMS_CACHED_MAX,
      recentIdsMax: config.RECENT_IDS_MAX,
      indexFlushMs: config.INDEX_FLUSH_MS,
      indexFlushRowsMax: config.INDEX_FLUSH_ROWS_MAX,
      indexPendingRowsMax: config.INDEX_PENDING_ROWS_MAX,
    }).toEqual(EMBEDDED_DEFAULTS);
  });

  it('of every setting is parsed from its own example', () => {
    for (const name of SETTING_NAMES) {
      const setting: Setting<unknown> = SETTINGS[name];
      if (setting.secret) continue;
      expect(setting.schema.safeParse(setting.example).success, name).toBe(true);
    }
  });
});

describe('a bad value', () => {
  it('is named with its variable, what it takes and an example', () => {
    expect(problemsOf({ environment: { HTTP_PORT: 'http' } })).toEqual([
      'HTTP_PORT is "http": expected a whole number from 0 to 65535, for example HTTP_PORT=3000.',
    ]);
    expect(problemsOf({ environment: { LOG_LEVEL: 'loud' } })[0]).toContain('expected one of debug, info, warn');
    expect(problemsOf({ environment: { GATEWAY_PUBLIC_URL: 'https://a.example' } })[0]).toContain('ws:// or wss://');
    expect(problemsOf({ environment: { GATEWAY_PUBLIC_URL: 'wss://user:word@a.example' } })).toHaveLength(1);
    expect(problemsOf({ environment: { ALLOWED_ORIGINS: 'https://a.example/path' } })).toHaveLength(1);
    expect(problemsOf({ environment: { HEARTBEAT_MS: '-1' } })).toHaveLength(1);
  });

  it('of several settings is told all at once', () => {
    expect(problemsOf({ environment: { HTTP_PORT: '70000', SOCKETS_MAX: '1e3' } })).toHaveLength(2);
  });

  it('given as a flag is told as the flag', () => {
    let thrown: unknown;
    try {
      loadConfig({ environment: {}, flags: { HTTP_PORT: 'x' } });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      fromFlag: true,
      problems: [expect.stringContaining('HTTP_PORT (--http-port) is "x"')],
    });
  });

  it('of a secret is never repeated', () => {
    const problems = problemsOf({ environment: { JWT_SECRET: 'hunter2' } });
    expect(problems).toEqual([expect.stringContaining('JWT_SECRET of 7 characters is too short')]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('is a setting given twice, or a file that is not there or empty', () => {
    const readFile = (path: string): string => {
      if (path === '/empty') return '\n';
      throw Object.assign(new Error('no'), { code: 'ENOENT' });
    };
    expect(problemsOf({ environment: { JWT_SECRET: SECRET, JWT_SECRET_FILE: '/x' }, readFile })[0]).toContain(
      'both set',
    );
    expect(problemsOf({ environment: { JWT_SECRET_FILE: '/gone' }, readFile })[0]).toContain('/gone');
    expect(problemsOf({ environment: { JWT_SECRET_FILE: '/empty' }, readFile })[0]).toContain('empty');
  });

  it('is one setting against another', () => {
    expect(problemsOf({ environment: { HEARTBEAT_MS: '40000' } })[0]).toContain('less than HEARTBEAT_SILENCE_MS');
    expect(problemsOf({ environment: { HTTP_PORT: '3001' } })[0]).toContain('both 3001');
  });

  it('is wrong usage where a flag is on one side of it, and a bad setting otherwise', () => {
    const fromFlag = (from: Parameters<typeof loadConfig>[0]): unknown => {
      try {
        return loadConfig(from);
      } catch (error) {
        return error instanceof ConfigError ? error.fromFlag : error;
      }
    };
    expect(fromFlag({ environment: {}, flags: { HTTP_PORT: '3001' } })).toBe(true);
    expect(fromFlag({ environment: { HTTP_PORT: '3001' }, flags: { HOST: '127.0.0.1' } })).toBe(false);
    expect(fromFlag({ environment: {}, flags: { HOST: '0.0.0.0' } })).toBe(true);
  });

  it('is an address for everybody while the secret is self-made', () => {
    expect(problemsOf({ environment: { HOST: '0.0.0.0' } })[0]).toContain('JWT_SECRET');
    expect(problemsOf({ environment: { HOST: '0.0.0.0', JWT_SECRET: SECRET } })).toEqual([]);
    expect(problemsOf({ environment: { HOST: '::1' } })).toEqual([]);
  });
});

describe('a variable that is no setting', () => {
  it.each(NOT_SUPPORTED_YET)('is refused where it asks for what is not built: %s', name => {
    expect(problemsOf({ environment: { [name]: 'x' } })[0]).toContain(`${name} is not supported yet`);
  });

  it('is warned of where it looks like a misspelt one, and left alone otherwise', () => {
    const { warnings } = loadConfig({
      environment: { JWT_SECERT: SECRET, HTTPPORT: '1', HOSTNAME: 'h', PATH: '/bin' },
    });
    expect(warnings).toEqual([
      'JWT_SECERT is not a setting; did you mean JWT_SECRET?',
      'HTTPPORT is not a setting; did you mean HTTP_PORT?',
    ]);
  });
});

describe('the table', () => {
  it('is listed with value, default, unit and source, and secrets masked', () => {
    const listing = listConfig(loadConfig({ environment: { JWT_SECRET: SECRET, HTTP_PORT: '4000' } }));
    expect(listing).toMatch(/^HTTP_PORT +4000 +3000 +port +environment$/m);
    expect(listing).toMatch(/^JWT_SECRET +\*{8} +- +- +environment$/m);
    expect(listing).toMatch(
      /^HOST +- +- +- +default: 0\.0\.0\.0 with a configured JWT_SECRET or JWKS_URL, else 127\.0\.0\.1$/m,
    );
    expect(listing).not.toContain(SECRET);
    expect(listing.split('\n')).toHaveLength(SETTING_NAMES.length + 1);
  });

  it('and the page made of it say the same: run `npx verbatim config --markdown > docs/operators/configuration.md`', async () => {
    const page = new URL('../../docs/operators/configuration.md', import.meta.url);
    expect(await readFile(page, 'utf8')).toBe(configMarkdown());
  });
});
