import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/telemetry/logger.pino.ts';

function capture(forTerminal: boolean): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, log: createLogger({ level: 'info', forTerminal, write: line => lines.push(line) }) };
}

describe('a line of the log', () => {
  it('is one JSON object with level, time and message', () => {
    const { lines, log } = capture(false);
    log.info('listening', { port: 3_000 });
    log.debug('not at this level');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', message: 'listening', port: 3_000 });
  });

  it('carries no token and no text, whoever puts one in', () => {
    const { lines, log } = capture(false);
    log.warn('odd', { token: 'eyJsecret', request: { authorization: 'Bearer eyJsecret', text: 'hello dear' } });
    expect(lines.join()).not.toMatch(/eyJsecret|hello dear/);
    expect(lines.join()).toContain('[cut]');
  });

  it('tells an error with its stack and its cause', () => {
    const { lines, log } = capture(false);
    log.error('failed', { error: new Error('outer', { cause: new Error('inner') }) });
    const line = JSON.parse(lines[0] ?? '') as {
      error: { message: string; stack: string; cause: { message: string } };
    };
    expect(line.error.message).toBe('outer');
    expect(line.error.cause.message).toBe('inner');
    expect(line.error.stack).toContain('logger.test.ts');
  });

  it('is short on a terminal', () => {
    const { lines, log } = capture(true);
    log.warn('odd', { room: 'conversation:42' });
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}odd {2}room=conversation:42\n$/);
  });
});
