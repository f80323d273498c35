/** Walks the committed sources: what the rules of this folder are asked about. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export const REPOSITORY = join(import.meta.dirname, '..', '..');

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'data', 'coverage', '.git', '.venv', '.bench', '__pycache__']);

/** Every file below the folders whose name matches, sorted by path. */
export function readSourceFiles(folders: readonly string[], name: RegExp): SourceFile[] {
  return folders
    .flatMap(folder => walk(folder))
    .filter(path => name.test(path))
    .sort()
    .map(path => ({ path, text: readFileSync(join(REPOSITORY, path), 'utf8') }));
}

function walk(folder: string): string[] {
  return readdirSync(join(REPOSITORY, folder), { withFileTypes: true }).flatMap(entry => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}
