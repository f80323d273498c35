/** Rules that one source file can be held to alone: its name, its length, and what no file may contain. */
import ts from 'typescript';
import type { SourceFile } from './source-files.ts';

const LINES_MAX = 400;
const BANNED_WORDS = ['manager', 'service', 'helper', 'helpers', 'util', 'utils', 'common', 'misc'];
const FILE_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;

export interface SourceRule {
  readonly name: string;
  /** Where the file breaks it: a line number and what stands there; empty if nowhere. */
  readonly violations: (file: SourceFile) => readonly string[];
}

export const SOURCE_RULES: readonly SourceRule[] = [
  {
    name: `a file has at most ${LINES_MAX} lines`,
    violations: ({ text }) => {
      const lines = text.replace(/\n$/, '').split('\n').length;
      return lines > LINES_MAX ? [`${lines} lines`] : [];
    },
  },
  {
    name: 'a file name is kebab-case',
    violations: ({ path }) => path.split('/').filter(segment => !FILE_NAME.test(segment)),
  },
  {
    name: 'no name of a file or folder is a word that says nothing',
    // A process manager is the field's own term and may be called so.
    violations: ({ path }) =>
      path
        .replaceAll('process-manager', '')
        .split(/[/.-]/)
        .filter(word => BANNED_WORDS.includes(word)),
  },
  {
    name: 'no barrel files',
    violations: file => {
      const { statements } = parse(file);
      const onlyPassesOn = statements.length > 0 && statements.every(isPassedOn);
      return /(^|\/)index\.tsx?$/.test(file.path) || onlyPassesOn
        ? ['a file that only passes on what others export']
        : [];
    },
  },
  {
    name: 'no any',
    violations: file => nodesOf(parse(file), node => node.kind === ts.SyntaxKind.AnyKeyword),
  },
  {
    name: 'a lint rule is switched off for a line, by name, with its reason',
    violations: ({ text }) =>
      linesOf(text)
        .filter(({ line }) => {
          const directive = /\/[/*]\s*(eslint-(?:disable|enable).*)/.exec(line)?.[1];
          const isWellFormed = /^eslint-disable-(next-)?line\s+[@a-z/-]+(,\s*[@a-z/-]+)*\s+--\s+\S.*\s\S/;
          return directive !== undefined && !isWellFormed.test(directive);
        })
        .map(asText),
  },
];

function isPassedOn(statement: ts.Statement): boolean {
  return ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined;
}

/** Each file is asked about by several rules, and parsed once. */
const parsed = new WeakMap<SourceFile, ts.SourceFile>();

export function parse(file: SourceFile): ts.SourceFile {
  const known = parsed.get(file);
  if (known) return known;
  const kind = file.path.endsWith('.tsx') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true, kind);
  parsed.set(file, source);
  return source;
}

function nodesOf(source: ts.SourceFile, matches: (node: ts.Node) => boolean): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (matches(node)) {
      const number = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      found.push(`line ${number}: ${node.parent.getText().slice(0, 80)}`);
    }
    node.forEachChild(visit);
  };
  visit(source);
  return found;
}

function linesOf(text: string): { number: number; line: string }[] {
  return text.split('\n').map((line, index) => ({ number: index + 1, line }));
}

function asText({ number, line }: { number: number; line: string }): string {
  return `line ${number}: ${line.trim()}`;
}
