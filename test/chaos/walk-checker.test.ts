import { describe, expect, it } from 'vitest';
import { checkWalk } from './walk-checker.ts';
import type { Histories, Walk } from './walk-checker.ts';

/** A walk from position 100 to 200; a page may have shown what came up to 210. */
const at = { start: 100n, end: 200n, latest: 210n };
const seen = (...entries: string[]): Walk['seen'] =>
  entries.map(entry => ({ conversation: entry.replace('-', ''), gone: entry.startsWith('-') }));

const HISTORIES: Histories = new Map([
  ['steady', [{ position: 10n, matches: true }]],
  [
    'moving',
    [
      { position: 20n, matches: true },
      { position: 150n, matches: true },
    ],
  ],
  [
    'leaving',
    [
      { position: 30n, matches: true },
      { position: 160n, matches: false },
    ],
  ],
  ['strange', [{ position: 40n, matches: false }]],
  ['young', [{ position: 170n, matches: true }]],
  [
    'late',
    [
      { position: 50n, matches: true },
      { position: 205n, matches: false },
    ],
  ],
]);

const RIGHT = ['steady', 'moving', 'leaving', 'late', 'moving', '-leaving', 'young'];

describe('the checker of walks', () => {
  it.each([
    ['each once, and once more what changed', RIGHT],
    ['what was moved before the walker, and told once more', ['moving', ...RIGHT]],
    ['what changed, once', ['steady', 'moving', '-leaving', 'late', 'young']],
    ['what left before it was come to, not at all', ['steady', 'moving', 'late', 'young']],
    ['what changed while the last page was made, as it became', [...RIGHT, '-late']],
  ])('is content with %s', (_what, entries) => {
    expect(checkWalk(HISTORIES, { ...at, seen: seen(...entries) })).toEqual([]);
  });

  it.each([
    ['what was not seen', RIGHT.filter(entry => entry !== 'steady'), 'steady belonged to the list all the time'],
    ['what was seen twice and did not change', [...RIGHT, 'steady'], 'steady was seen 2 times and changed 0 times'],
    ['what was seen four times', ['moving', 'moving', ...RIGHT], 'moving was seen 4 times and changed 1 times'],
    ['what never belonged', [...RIGHT, 'strange'], 'strange was seen and never belonged'],
    ['what came meanwhile and is not known', RIGHT.filter(entry => entry !== 'young'), 'young belongs to the list'],
    ['what left and is still known', RIGHT.filter(entry => entry !== '-leaving'), 'leaving is known and left the list'],
    ['what never was', [...RIGHT, 'nobody'], 'nobody is listed and was never begun'],
  ])('finds %s', (_what, entries, says) => {
    expect(checkWalk(HISTORIES, { ...at, seen: seen(...entries) })[0]).toContain(says);
  });
});
