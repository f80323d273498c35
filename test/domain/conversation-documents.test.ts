import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
import { conversationEventSchemas } from '../../src/schemas/conversation-events.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(REPOSITORY, path), 'utf8');

const document = read('docs/domain.md');
const section = document.slice(document.indexOf('## Conversation'), document.indexOf('## Imports'));
const rows = section.split('\n').filter(line => line.startsWith('| `'));

describe('docs/domain.md', () => {
  it('has a row for every command, with every field of its data', () => {
    for (const [type, schema] of Object.entries(conversationCommandSchemas)) {
      const row = rows.find(line => line.split('|')[1]?.includes(`\`${type} {`)) ?? '';
      const data = new RegExp(`${type} \\{([^\`]*)\\}`).exec(row)?.[1];
      expect(data, type).toBeDefined();
      for (const field of Object.keys(schema.shape)) expect(data, type).toContain(field);
    }
  });

  it('names every event as the outcome of a command', () => {
    for (const type of Object.keys(conversationEventSchemas))
      expect(
        rows.some(line => line.split('|')[2]?.includes(`\`${type}\``)),
        type,
      ).toBe(true);
  });

  it('names every code of a rejection', () => {
    const codes = [...read('src/domain/conversation/rejections.ts').matchAll(/new Rejection\('([a-z-]+)'/g)];
    expect(codes.length).toBeGreaterThan(15);
    for (const [, code] of codes) expect(section).toContain(`\`${code ?? ''}\``);
  });
});
