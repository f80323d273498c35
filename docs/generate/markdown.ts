/** Markdown as the generated parts of the documents have it: tables, and the markers that generated text stands between. */

/** Cells hold Markdown; a bar in one is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

/**
 * The page with what stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->` replaced, for each name.
 *
 * @throws Error where the page lacks a pair of markers, or has one that nothing is generated for
 */
export function fillMarkers(page: string, parts: Readonly<Record<string, string>>): string {
  for (const [, name = ''] of page.matchAll(/^<!-- generated: (\S+) -->$/gm))
    if (parts[name] === undefined) throw new Error(`Nothing is generated for the marker "${name}".`);
  let filled = page;
  for (const [name, text] of Object.entries(parts)) {
    const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`];
    const [from, to] = [filled.indexOf(begin), filled.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`The page has no ${begin} … ${end}.`);
    filled = `${filled.slice(0, from)}${begin}\n${text.trim()}\n${filled.slice(to)}`;
  }
  return filled;
}
