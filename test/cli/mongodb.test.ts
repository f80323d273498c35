import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findMongoDb, sharedMongoDb } from '../support/mongodb-server.ts';
import { importLines, Workplace } from './support.ts';

const places: Workplace[] = [];
afterEach(async () => {
  for (const place of places.splice(0)) await place.clean();
});

async function newPlace(): Promise<Workplace> {
  const place = await Workplace.create();
  places.push(place);
  return place;
}

describe.skipIf(!findMongoDb().found)('a keyring on MongoDB', () => {
  it('is of one log: another folder is refused before a log is begun there, and can use another database', async () => {
    const mongo = await sharedMongoDb();
    const environment = { MONGODB_URL: mongo.freshUrl(), MONGODB_TIMEOUT_MS: '15000' };
    const [first, second] = [await newPlace(), await newPlace()];
    const file = join(first.directory, '..', 'chats.ndjson');
    await writeFile(file, importLines('c1', 5));
    expect(await first.run(['import', file], environment)).toMatchObject({ code: 0 });
    expect(existsSync(join(first.directory, 'keyring'))).toBe(false);

    const refused = await second.run(['import', file], environment);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^verbatim: keyring-of-another-log: [^\n]*name a database that no other log has\.\n$/,
    );
    expect(readdirSync(second.directory)).not.toContain('root-secret');

    const own = { ...environment, MONGODB_URL: mongo.freshUrl() };
    expect((await second.run(['import', file], own)).stdout).toContain('5 imported');
    expect((await first.run(['import', file], environment)).stdout).toContain('5 already there');
  });
});
