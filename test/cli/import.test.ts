import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importLines, Workplace } from './support.ts';

const SECRET = 'a-configured-secret-0123456789-0123456789';

let place: Workplace;
beforeEach(async () => {
  place = await Workplace.create();
});
afterEach(async () => {
  await place.clean();
});

async function fileOf(content: string | Buffer, name = 'chats.ndjson'): Promise<string> {
  const path = join(place.directory, '..', name);
  await writeFile(path, content);
  return path;
}

describe('an import into a folder that nobody has', () => {
  it('imports every line, and nothing when run again', async () => {
    const file = await fileOf(importLines('c1', 5) + importLines('c2', 3));
    const first = await place.run(['import', file]);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^verbatim: note: \S+ held no log: a new one was begun there\.[^\n]*\n$/);
    expect(first.stderr).toContain(place.directory);
    const [before, after] = first.stdout.split(/ in [\d.]+ s: /);
    expect(before).toBe(`8 lines into the folder ${place.directory}`);
    expect(after).toBe('8 imported, 0 already there, 0 rejected.\n');
    const again = await place.run(['import', file]);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('0 imported, 8 already there, 0 rejected');
  });

  it.each([
    ['[{"id":"1"},{"id":"2"}]\n', 'a JSON array', 'chats.json'],
    ['[\n  {"id": "1"},\n  {"id": "2"}\n]\n', 'a JSON array', 'chats.json'],
    ['{\n  "messages": []\n}\n', 'one JSON document over several lines', 'chats.json'],
    ['id,conversation,at,text\n1,c1,now,hi\n', 'CSV', 'chats.csv'],
    ['not what it says', 'something else than the gzip of its name', 'chats.ndjson.gz'],
    [Buffer.from('504b0304ff', 'hex'), 'a zip archive', 'chats.zip'],
  ])('says once what %j is', async (content, what, name) => {
    const { code, stderr } = await place.run(['import', await fileOf(content, name)]);
    expect(code).toBe(1);
    expect(stderr.match(/this looks like .*/g)).toEqual([`this looks like ${what}.`]);
  });

  it('reads gzip by its content, whatever its name, and stdin', async () => {
    const file = await fileOf(gzipSync(importLines('c1', 5)));
    expect((await place.run(['import', file])).stdout).toContain('5 imported');
    const piped = await place.run(['import', '-'], {}, importLines('c1', 6));
    expect(piped.stdout).toContain('1 imported, 5 already there');
  });

  it('lists bad lines with number, field and reason, imports the rest, and ends with 1', async () => {
    const bad = ['{"id":', '{"id":"x","conversation":"c1","at":"yesterday","author":"ann","role":"agent","text":"hi"}'];
    const file = await fileOf(`${bad.join('\n')}\n${importLines('c1', 2)}`);
    const { code, stdout, stderr } = await place.run(['import', file]);
    expect(code).toBe(1);
    expect(stdout).toContain('2 imported, 0 already there, 2 rejected');
    expect(stderr).toMatch(/^ {2}line 1: .*\[bad-request\]$/m);
    expect(stderr).toMatch(/^ {2}line 2 \(id x\): at: .*\[bad-request\]$/m);
  });

  it('lists so many bad lines and counts the others, and obeys no control code of the file', async () => {
    const { code, stderr } = await place.run(['import', '-'], {}, '{"id":"\\u001b[2Jx"}\n'.repeat(70));
    expect(code).toBe(1);
    expect(stderr.match(/^ {2}line /gm)).toHaveLength(50);
    expect(stderr).toContain('… and 20 more');
    expect(stderr).not.toContain('\u001b[2J');
  });

  it('of a file that is not there, is a folder, or is broken gzip ends with 1 and one line', async () => {
    expect(await place.run(['import', 'nowhere.ndjson'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^verbatim: bad-file: nowhere\.ndjson [^\n]+\n$/) as string,
    });
    expect((await place.run(['import', '.'])).stderr).toContain('is a folder');
    const broken = await fileOf(gzipSync(importLines('c1', 500)).subarray(0, 1_000));
    const { code, stderr } = await place.run(['import', broken]);
    expect(code).toBe(1);
    expect(stderr).toContain('verbatim: bad-file:');
    expect(stderr).toContain('broken gzip');
  });
});

describe('an import while a server has the folder', () => {
  it('goes through that server, and says the same', async () => {
    const server = await place.serve();
    const file = await fileOf(importLines('c1', 20));
    const first = await place.run(['import', file]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('20 imported');
    expect(first.stdout).toContain(`20 lines into ${server.http} in `);
    expect((await place.run(['import', file])).stdout).toContain('0 imported, 20 already there');
    // Another tenant is another place.
    expect((await place.run(['import', file, '--tenant', 'acme'])).stdout).toContain('20 imported');
    await server.stop('SIGTERM');
    expect((await place.run(['import', file])).stdout).toContain('0 imported, 20 already there');
  });

  it('names the server by --url and signs with its secret', async () => {
    const server = await place.serve({ JWT_SECRET: SECRET, HOST: '127.0.0.1' });
    const elsewhere = { DATA_DIR: join(place.directory, '..', 'elsewhere') };
    const args = ['import', '-', '--url', server.http];
    const done = await place.run(args, { ...elsewhere, JWT_SECRET: SECRET }, importLines('c1', 3));
    expect(done).toMatchObject({ code: 0 });
    const wrong = await place.run(args, { ...elsewhere, JWT_SECRET: SECRET.replace('a', 'b') }, importLines('c1', 3));
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toBe('');
    expect(wrong.stderr).toMatch(/verbatim: unauthorized: [^\n]+ Set JWT_SECRET/);
    const without = await place.run(args, elsewhere, '');
    expect(without.stderr).toContain('verbatim: no-secret:');
    const nobody = await place.run(['import', '-', '--url', 'http://127.0.0.1:1'], { JWT_SECRET: SECRET }, 'x\n');
    expect(nobody.stderr).toContain('verbatim: unavailable: Nothing answers at http://127.0.0.1:1');
    expect((await place.run(['import', '-', '--url', 'nonsense'], { JWT_SECRET: SECRET })).code).toBe(2);
  });

  it('a connection that breaks while a gzipped file is being sent is no fault of the file', async () => {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.write('{"line":1,"status":"imported"}\n');
      request.once('data', () => setImmediate(() => request.socket.resetAndDestroy()));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const file = await fileOf(gzipSync(importLines('c1', 200_000)), 'large.ndjson.gz');
    const done = await place.run(['import', file, '--url', `http://127.0.0.1:${port}`], { JWT_SECRET: SECRET });
    server.close();
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/verbatim: connection-lost: .* Run the same command again/);
  });

  it('says what is kept when the server dies in the middle, and goes on when run again', async () => {
    const server = await place.serve();
    const { child, ended, said } = place.start(['import', '-']);
    let sent = 0;
    const feed = setInterval(() => {
      child.stdin.write(importLines('c1', 10, sent));
      sent += 10;
    }, 20);
    await expect.poll(() => said.stderr, { timeout: 20_000 }).toContain('lines:');
    await server.stop('SIGKILL');
    const { code, stderr, stdout } = await ended;
    clearInterval(feed);
    expect(code).toBe(1);
    expect(stderr).toMatch(/verbatim: connection-lost: .* Run the same command again/);
    const [, kept] = /: (\d+) imported/.exec(stdout.replaceAll(',', '')) ?? [];
    expect(Number(kept)).toBeGreaterThan(0);
    await place.serve();
    const again = await place.run(['import', '-'], {}, importLines('c1', sent));
    const [, imported, already] =
      /(\d+) imported, (\d+) already/.exec(again.stdout.replaceAll(/(\d),(\d)/g, '$1$2')) ?? [];
    expect(Number(imported) + Number(already)).toBe(sent);
    expect(Number(already)).toBeGreaterThanOrEqual(Number(kept));
  });
});
