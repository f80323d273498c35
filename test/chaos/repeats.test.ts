import { describe, expect, it } from 'vitest';
import { checkRepeats } from './repeats.ts';
import type { Repeat } from './repeats.ts';

const first = { first: 3, last: 4 };
const repeat = (answer: Repeat['answer']): Repeat => ({ id: 'm1', first, answer });

describe('the judge of repeats', () => {
  it('lets the first ack pass where it says that it is a duplicate', () => {
    expect(checkRepeats([repeat({ op: 'ack', ...first, duplicate: true })])).toEqual([]);
  });

  it.each([
    ['an ack as if it were new', { op: 'ack', ...first, duplicate: false }],
    ['another place', { op: 'ack', first: 5, last: 5, duplicate: true }],
    ['another end', { op: 'ack', first: 3, last: 3, duplicate: true }],
    ['a refusal', { op: 'nack' }],
  ])('finds %s', (_, answer) => {
    expect(checkRepeats([repeat(answer)])).toHaveLength(1);
  });
});
