/** Frames as no client should send them: values out of range, wrong types, broken JSON, bytes that are no text. */

/** In [0, 1). */
export type Random = () => number;

export function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[Math.floor(random() * choices.length)];
  if (choice === undefined) throw new RangeError('There is nothing to pick from.');
  return choice;
}

export const oneIn = (random: Random, chances: number): boolean => random() * chances < 1;

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  -2,
  0.5,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  1e308,
  -1e308,
  '',
  'x',
  '\u0000',
  '\ud800',
  '__proto__',
  'constructor',
  'conversation:',
  'conversation:a/b',
  'conversation:a:b',
  'agent:1',
  '../../etc/passwd',
  'é'.repeat(200),
  'x'.repeat(20_000),
  [],
  [[]],
  [1, 2, 3],
  {},
  { then: 1 },
  { toString: null },
  { length: 2 ** 31 },
];

export function randomText(random: Random, unitsMax: number): string {
  const units = Math.floor(random() * unitsMax);
  return String.fromCharCode(...Array.from({ length: units }, () => Math.floor(random() * 0x1_0000)));
}

export function randomBytes(random: Random, bytesMax: number): Uint8Array {
  return Uint8Array.from({ length: Math.floor(random() * bytesMax) }, () => Math.floor(random() * 256));
}

export function randomJson(random: Random, depth = 4): unknown {
  const kind = Math.floor(random() * (depth > 0 ? 7 : 5));
  if (kind === 0) return random() < 0.5;
  if (kind === 1) return Math.floor((random() - 0.5) * 2 ** 40);
  if (kind === 2) return random() * 10 ** Math.floor(random() * 300);
  if (kind === 3) return randomText(random, 20);
  if (kind === 4) return pick(random, ODD_VALUES);
  const children = Array.from({ length: Math.floor(random() * 5) }, () => randomJson(random, depth - 1));
  if (kind === 5) return children;
  const names = ['op', 'room', 'id', 'data', 'ref', 'after', 'command', 'seq', '__proto__'];
  return Object.fromEntries(children.map(child => [pick(random, names), child]));
}

/** The frame with one of its values, however deep, replaced or left out. */
export function mutateValue(random: Random, value: unknown): unknown {
  const isBranch = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isBranch || oneIn(random, 4)) return oneIn(random, 3) ? randomJson(random) : pick(random, ODD_VALUES);
  const at = pick(random, Object.keys(value));
  const entries = Object.entries(value).flatMap(([name, child]): [string, unknown][] => {
    if (name !== at) return [[name, child]];
    return oneIn(random, 6) ? [] : [[name, mutateValue(random, child)]];
  });
  return Array.isArray(value) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}

/** JSON with a few of its bytes changed, doubled or dropped, or its end cut off. */
export function mutateBytes(random: Random, json: string): Uint8Array {
  let bytes = Buffer.from(json);
  for (let changes = 1 + Math.floor(random() * 4); changes > 0 && bytes.length > 0; changes -= 1) {
    const at = Math.floor(random() * bytes.length);
    const kind = Math.floor(random() * 4);
    if (kind === 0) bytes[at] = Math.floor(random() * 256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 3), bytes.subarray(at)]);
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
}

/** JSON that no `JSON.stringify` writes: endless nesting, numbers out of all bounds, names twice. */
export function oddJson(random: Random): string {
  const depth = 1 + Math.floor(random() * 20_000);
  return pick(random, [
    '['.repeat(depth),
    '['.repeat(depth) + ']'.repeat(depth),
    '{"data":'.repeat(Math.floor(depth / 4)) + '1' + '}'.repeat(Math.floor(depth / 4)),
    `{"op":"subscribe","room":"conversation:1","after":${'9'.repeat(400)}}`,
    '{"op":"subscribe","room":"conversation:1","after":1e999}',
    '{"op":"subscribe","room":"conversation:1","after":-0}',
    '{"op":"history","room":"conversation:1","limit":1e-400}',
    '{"op":"typing","op":"send","room":"conversation:1","room":7}',
    '{"__proto__":{"op":"subscribe"},"room":"conversation:1"}',
    '{"op":"subscribe","room":"conversation:1"} {}',
    '\ufeff{"op":"typing","room":"conversation:1","on":true}',
    'null',
    '"op"',
    ' ',
    '',
  ]);
}
