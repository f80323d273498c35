/** `npm run docs`: writes every document that is made from the code, and names those that changed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { PAGES } from './pages.ts';

for (const [path, make] of Object.entries(PAGES)) {
  const file = new URL(`../../${path}`, import.meta.url);
  const before = read(file);
  const after = make(before);
  if (after === before) continue;
  writeFileSync(file, after);
  console.log(path);
}

function read(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
