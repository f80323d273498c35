import { describe, expect, it } from 'vitest';
import { FailureLog } from '../../src/http/failure-log.ts';
import type { LogFields } from '../../src/telemetry/logger.ts';

function recorded() {
  const lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
  const time = { now: 1_000_000 };
  const write = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  const log = new FailureLog({ warn: write('warn'), error: write('error') }, { now: () => time.now });
  return { lines, time, log };
}

describe('the log of failed requests', () => {
  it('tells of what is not available once, and every ten seconds again, with how many met it since', () => {
    const { lines, time, log } = recorded();
    const away = new Error('MongoDB has not answered.');
    for (let second = 0; second <= 10; second++) {
      log.unavailable(away.message, { path: '/v1/conversations', error: away });
      time.now += 1_000;
    }
    expect(lines).toEqual([
      { level: 'warn', message: 'a request failed', fields: { path: '/v1/conversations', error: away } },
      { level: 'warn', message: 'a request failed', fields: { path: '/v1/conversations', error: away, notTold: 9 } },
    ]);
  });

  it('tells of another reason at once', () => {
    const { lines, log } = recorded();
    for (const reason of ['The disk is full.', 'MongoDB has not answered.', 'The disk is full.'])
      log.unavailable(reason, {});
    expect(lines).toHaveLength(2);
  });

  it('tells of every bug', () => {
    const { lines, log } = recorded();
    for (let bug = 0; bug < 3; bug++) log.failed({ error: new Error('a bug') });
    expect(lines.map(({ level }) => level)).toEqual(['error', 'error', 'error']);
  });

  it('holds no more than twenty reasons', () => {
    const { lines, log } = recorded();
    for (let reason = 0; reason < 21; reason++) log.unavailable(`reason ${reason}`, {});
    log.unavailable('reason 0', {});
    expect(lines).toHaveLength(22);
  });
});
