/**
 * Finds exports that nobody imports. A value must be imported by another file of the project; a type too, or else be
 * named again in its own file (an options interface of an exported factory). Tests count as users.
 */
import { posix } from 'node:path';
import ts from 'typescript';
import type { SourceFile } from './source-files.ts';
import { parse } from './source-rules.ts';

interface Export {
  readonly name: string;
  readonly isType: boolean;
}

/** `path: name` of each dead export among `candidates`, when `users` (which contain the candidates) import. */
export function findDeadExports(candidates: readonly SourceFile[], users: readonly SourceFile[]): string[] {
  const used = new Set(users.flatMap(file => importsOf(file)));
  return candidates.flatMap(file => {
    if (used.has(`${file.path}#*`)) return [];
    return exportsOf(file)
      .filter(({ name, isType }) => !used.has(`${file.path}#${name}`) && !(isType && namedAgain(file, name)))
      .map(({ name }) => `${file.path}: ${name}`);
  });
}

function exportsOf(file: SourceFile): Export[] {
  return parse(file).statements.flatMap((statement): Export[] => {
    if (ts.isExportDeclaration(statement)) {
      if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) return [];
      return statement.exportClause.elements.map(element => ({
        name: element.name.text,
        isType: statement.isTypeOnly || element.isTypeOnly,
      }));
    }
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    // A default export is what a tool loads by path (a configuration, a reporter).
    if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)) return [];
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.flatMap(({ name }) =>
        ts.isIdentifier(name) ? [{ name: name.text, isType: false }] : [],
      );
    }
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) {
      return [{ name: statement.name.text, isType: true }];
    }
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      return statement.name ? [{ name: statement.name.text, isType: false }] : [];
    }
    return [];
  });
}

/** `path#name` of everything the file imports from another file; `path#*` for a whole module. */
function importsOf(file: SourceFile): string[] {
  const used: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const from = resolve(file.path, node.moduleSpecifier);
      if (from !== undefined) used.push(...namesOf(node).map(name => `${from}#${name}`));
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const from = resolve(file.path, node.arguments[0]);
      if (from !== undefined) used.push(`${from}#*`);
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const from = resolve(file.path, node.argument.literal);
      if (from !== undefined) used.push(`${from}#*`);
    }
    node.forEachChild(visit);
  };
  visit(parse(file));
  return used;
}

function resolve(importer: string, specifier: ts.Node | undefined): string | undefined {
  if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return undefined;
  return posix.normalize(posix.join(posix.dirname(importer), specifier.text));
}

function namesOf(node: ts.ImportDeclaration | ts.ExportDeclaration): string[] {
  const bindings = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause;
  if (bindings && (ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) {
    return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
  }
  // `import * as x`, `export * from`: any of its names may be used. `import './x.ts'` uses none.
  return bindings || ts.isExportDeclaration(node) ? ['*'] : [];
}

function namedAgain(file: SourceFile, name: string): boolean {
  let count = 0;
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && node.text === name) count += 1;
    node.forEachChild(visit);
  };
  visit(parse(file));
  return count > 1;
}
