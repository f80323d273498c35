/** Tells from its first bytes what a file is that is no NDJSON, so that who imports it need not guess from its bad lines. */

/** So many bytes tell. */
export const SHAPE_BYTES = 4_096;

const MAGICS: readonly (readonly [bytes: string, what: string])[] = [
  ['504b0304', 'a zip archive'],
  ['28b52ffd', 'a file compressed with zstd'],
  ['425a68', 'a file compressed with bzip2'],
  ['fd377a585a00', 'a file compressed with xz'],
  ['53514c69746520666f726d6174', 'an SQLite database'],
  ['fffe', 'text in UTF-16'],
  ['feff', 'text in UTF-16'],
];

/** Undefined where it may well be NDJSON with bad lines in it. @param head after gzip is taken off */
export function shapeOf(head: Uint8Array, name: string): string | undefined {
  const hex = Buffer.from(head.subarray(0, 16)).toString('hex');
  const magic = MAGICS.find(([bytes]) => hex.startsWith(bytes));
  if (magic) return magic[1];
  const text = new TextDecoder().decode(head).trimStart();
  if (text.startsWith('[')) return 'a JSON array';
  if (text.startsWith('{')) return /^\{\s*\n/.test(text) ? 'one JSON document over several lines' : undefined;
  if (name.endsWith('.gz')) return 'something else than the gzip of its name';
  const [first = ''] = text.split('\n', 1);
  return /^[^{}]+[,;\t][^{}]+$/.test(first) ? 'CSV' : undefined;
}
