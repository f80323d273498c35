import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKurrentDbClient } from '../../support/external-tools.ts';
import { startTestNode } from './node-fixture.ts';
import type { TestNode } from './node-fixture.ts';

const SCRIPT = join(import.meta.dirname, 'kurrentdb-client.py');
const TIMEOUT_MS = 60_000;
const python = findKurrentDbClient();

describe.skipIf(!python.found)('a client of another language (Python, kurrentdbclient)', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startTestNode();
  });
  afterAll(() => node.dispose());

  it(
    'appends, reads both ways, subscribes with filters and catches up',
    async () => {
      const address = `127.0.0.1:${node.port}?Tls=false`;
      const script = [SCRIPT, `kurrentdb://${address}`, `kurrentdb+discover://${address}`];
      const { stdout } = await promisify(execFile)(python.found ? python.path : '', script, { timeout: TIMEOUT_MS });
      expect(JSON.parse(stdout)).toEqual({
        'positions increase': true,
        conflict: true,
        'repeat answers the first position': true,
        forwards: [0, 1, 2, 3, 4, 0, 1, 2],
        backwards: [2, 1, 0],
        from: [1, 2],
        head: 7,
        all: [
          ...Array<string>(5).fill('Placed'),
          ...Array<string>(3).fill('Shipped'),
          ...Array<string>(4).fill('Billed'),
          'Repeated',
          'Repeated',
        ],
        'all backwards': ['Repeated', 'Repeated', 'Billed'],
        'all by stream': Array(4).fill('Billed'),
        missing: true,
        'subscribed by type': ['Shipped', 'Shipped', 'Shipped', 'Billed', 'Billed', 'Billed', 'Billed'],
        'subscribed by stream': Array(4).fill('invoice-1'),
        'resumed after a position': [0, 1, 2],
        // 14 events considered, one checkpoint for each four.
        checkpoints: 3,
        'caught up, then live': ['Late', 'Late'],
        truncated: [0, 1],
        metadata: { $maxCount: 2 },
        deleted: true,
        tombstoned: true,
        discovered: 9,
      });
      expect(node.errors).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
