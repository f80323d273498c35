/**
 * Code blocks of a Markdown text that a test runs: each is a fenced block right below `<!-- test: NAME -->`. A marker
 * without a block, and a name used twice, are errors, so that an edit of the text cannot quietly unhook its test.
 */
export interface MarkedBlock {
  readonly language: string;
  readonly code: string;
}

/** @throws Error for a marker without a fenced block right below it, and for two markers of one name */
export function extractMarkedBlocks(markdown: string): Map<string, MarkedBlock> {
  const blocks = new Map<string, MarkedBlock>();
  for (const marker of markdown.matchAll(/^<!-- test: (\S+) -->$/gm)) {
    const name = marker[1] ?? '';
    const below = markdown.slice(marker.index + marker[0].length);
    const fenced = /^\n+(`{3,})(\S*)[^\n]*\n(.*?\n)\1\s*$/ms.exec(below);
    if (fenced?.index !== 0) throw new Error(`The marker "${name}" has no fenced block right below it.`);
    if (blocks.has(name)) throw new Error(`The marker "${name}" stands there twice.`);
    blocks.set(name, { language: fenced[2] ?? '', code: fenced[3] ?? '' });
  }
  return blocks;
}

/** @throws Error naming the markers there are, when the wanted one is not among them */
export function requireBlock(blocks: ReadonlyMap<string, MarkedBlock>, name: string, language: RegExp): MarkedBlock {
  const block = blocks.get(name);
  if (!block)
    throw new Error(`README.md has no <!-- test: ${name} -->; it has: ${[...blocks.keys()].join(', ') || 'none'}.`);
  if (!language.test(block.language))
    throw new Error(`The block "${name}" is ${block.language}, not ${language.source}.`);
  return block;
}
