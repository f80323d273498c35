import { describe, expect, it } from 'vitest';
import { childOf } from '../../src/http/trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const random = () => `${'1'.repeat(32)}${'2'.repeat(16)}`;
const NEW = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-00`;

describe('a trace', () => {
  it('goes on with a new parent, and keeps whether it is sampled', () => {
    expect(childOf(`00-${TRACE}-${SPAN}-01`, random)).toBe(`00-${TRACE}-${'2'.repeat(16)}-01`);
    expect(childOf(`00-${TRACE}-${SPAN}-00`, random)).toBe(`00-${TRACE}-${'2'.repeat(16)}-00`);
  });

  it('of a later version goes on as one of today’s', () => {
    expect(childOf(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, random)).toBe(`00-${TRACE}-${'2'.repeat(16)}-01`);
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  ])('begins anew after %s', given => {
    expect(childOf(given, random)).toBe(NEW);
  });
});
