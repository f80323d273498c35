import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workplace } from './support.ts';
import type { Serving } from './support.ts';

const SAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'ubuntu-support-sample.ndjson');

let place: Workplace;
let server: Serving;
beforeAll(async () => {
  place = await Workplace.create();
  server = await place.serve();
  expect(await place.run(['import', SAMPLE])).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await place.clean();
});

describe('verbatim verify and rebuild', () => {
  it.each(['messages', 'conversations'])('hold %s to the log, and build it anew, in the running server', async name => {
    const verified = await place.run(['verify', name]);
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.stdout).toMatch(/^\w+ equals the log: [1-9]\d* documents, up to position \d+\.\n$/);
    const rebuilt = await place.run(['rebuild', name]);
    expect(rebuilt).toMatchObject({ code: 0 });
    expect(rebuilt.stdout).toMatch(/^\w+ is built anew: [1-9]\d* events, [1-9]\d* documents, .*answers now\.\n$/);
    expect(await place.run(['verify', name])).toMatchObject({ code: 0 });
  });

  it('say that there is no such read model, in one line', async () => {
    const unknown = await place.run(['rebuild', 'nonsense']);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^verbatim: not-found: [^\n]*nonsense[^\n]*\n$/);
  });

  it('work in the folder where nobody has it, and build what is not there', async () => {
    await server.stop('SIGTERM');
    await rm(join(place.directory, 'read-models'), { recursive: true });
    expect(await place.run(['rebuild', 'conversations'])).toMatchObject({ code: 0 });
    expect(await place.run(['verify', 'messages'])).toMatchObject({ code: 0 });
    const unknown = await place.run(['verify', 'nonsense']);
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^verbatim: not-found: [^\n]*nonsense[^\n]*\n$/);
  });
});
