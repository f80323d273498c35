import { expect, test } from 'vitest';
import { LeakWatch } from './leaks.ts';

const watch = (): LeakWatch => new LeakWatch({ marks: ['zq7'], strings: new Set(['a text of theirs']) });

test('a mark is found anywhere in what came, a foreign string where it stands whole', () => {
  for (const text of ['{"a":[{"b":"xzq7x"}]}', 'plain zq7', '{"zq7":1}', '{}\n{"text":"a text of theirs"}']) {
    const watching = watch();
    watching.take(text, 'a frame');
    expect(watching.found(), text).toHaveLength(1);
  }
  const watching = watch();
  watching.take('{"text":"a text of theirs, marked"}', 'a frame');
  expect(watching.found()).toEqual([]);
});

test('an echo of what was sent is none, what comes along with it is', () => {
  const watching = watch();
  watching.allow('conversation:zq7.1');
  watching.take('{"room":"conversation:zq7.1","message":"There is no conversation:zq7.1."}', 'a frame');
  expect(watching.found()).toEqual([]);
  watching.take('{"message":"conversation:zq7.1 says zq7 hello"}', 'a frame');
  expect(watching.found()).toHaveLength(1);
});
