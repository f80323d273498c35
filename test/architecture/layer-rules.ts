/**
 * The layers as rules over the import graph (dependency-cruiser), type imports included. Denied by default: a package
 * may be imported only where its row says, and one without a row nowhere.
 */
import { cruise } from 'dependency-cruiser';
import type { IFlattenedRuleSet, IForbiddenRuleType } from 'dependency-cruiser';

/** Package -> the places of src and web that may import it. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@eventstore/db-client': String.raw`^src/event-store/(node/|eventstoredb/|event-store\.eventstoredb\.ts$)`,
  '@grpc/grpc-js': String.raw`^src/event-store/(node/|eventstoredb/|event-store\.eventstoredb\.ts$)`,
  'google-protobuf': '^src/event-store/(node|eventstoredb)/',
  lmdb: String.raw`^src/(event-store|read-store)/embedded/|\.embedded\.ts$`,
  mingo: String.raw`^src/read-store/(embedded/|read-store\.embedded\.ts$)`,
  mongodb: String.raw`^src/read-store/mongodb/|\.mongodb\.ts$`,
  luxon: '^src/projections/',
  'uWebSockets.js': String.raw`\.uwebsockets\.ts$`,
  ws: String.raw`/sockets\.ws\.ts$`,
  fastify: '^src/http/',
  '@fastify/helmet': '^src/http/',
  '@fastify/static': '^src/http/',
  '@fastify/swagger': '^src/http/',
  '@fastify/swagger-ui': '^src/http/',
  'fastify-type-provider-zod': '^src/http/',
  'prom-client': '^src/telemetry/',
  commander: String.raw`^src/(cli/|main\.ts$)`,
  'cli-progress': String.raw`^src/(cli/|main\.ts$)`,
  pino: '^src/telemetry/',
  jose: '^src/auth/',
  canonicalize: '^src/commands/',
  uuid: '^src/(?!domain/)',
  zod: '^src/(schemas|auth|config|cli|commands|data-folder|gateway|http|projections)(/|.ts$)',
  preact: '^web/',
  vite: String.raw`^web/vite\.config\.ts$`,
};

/** What an adapter's name ends in: the vendor or the way it is done. They sort beside their port. */
const ADAPTER = String.raw`\.(embedded|sealed|uwebsockets|ws|eventstoredb|mongodb|redis|memory|s3)\.ts$`;
const COMPOSITION_ROOT = String.raw`^src/(main\.ts$|cli/)`;
/** Where a program begins: the CLI, the page, and files started as worker threads. */
const ENTRY = String.raw`^src/main\.ts$|\.worker\.ts$|^web/(main\.tsx?|vite\.config\.ts)$`;

function importOf(name: string): string {
  return `(^|node_modules/)(@types/)?${name.replace(/[.]/g, String.raw`\.`)}(/|$)`;
}

function packageRules(): IForbiddenRuleType[] {
  const rules = Object.entries(PACKAGES).map(([name, where]): IForbiddenRuleType => ({
    name: `package ${name} only in its place`,
    from: { path: '^(src|web)/', pathNot: where },
    to: { path: importOf(name) },
  }));
  rules.push({
    name: 'every package has a row',
    from: { path: '^(src|web)/' },
    to: {
      path: '.',
      pathNot: ['^(src|web)/', '^node:', String.raw`^\.`, ...Object.keys(PACKAGES).map(importOf)],
      dependencyTypesNot: ['core'],
    },
  });
  return rules;
}

const FORBIDDEN: readonly IForbiddenRuleType[] = [
  { name: 'domain imports only domain', from: { path: '^src/domain/' }, to: { pathNot: '^src/domain/' } },
  { name: 'commands never import projections', from: { path: '^src/commands/' }, to: { path: '^src/projections/' } },
  { name: 'projections never import commands', from: { path: '^src/projections/' }, to: { path: '^src/commands/' } },
  { name: 'gateway imports neither http nor cli', from: { path: '^src/gateway/' }, to: { path: '^src/(http|cli)/' } },
  {
    name: 'only the composition root imports adapters',
    from: { path: '^src/', pathNot: [COMPOSITION_ROOT, ADAPTER] },
    to: { path: ADAPTER },
  },
  {
    name: 'an engine is seen only by its adapter',
    from: {
      path: '^src/',
      pathNot: ['^src/event-store/embedded/', String.raw`^src/event-store/[a-z-]+\.embedded\.ts$`],
    },
    to: { path: '^src/event-store/embedded/' },
  },
  {
    name: 'the calls to EventStoreDB are seen only by their adapter',
    from: {
      path: '^src/',
      pathNot: ['^src/event-store/eventstoredb/', String.raw`^src/event-store/event-store\.eventstoredb\.ts$`],
    },
    to: { path: '^src/event-store/eventstoredb/' },
  },
  {
    name: 'a read store is seen only by its adapter',
    from: { path: '^src/', pathNot: [String.raw`^src/read-store/(embedded|mongodb)/`, ADAPTER] },
    to: { path: '^src/read-store/(embedded|mongodb)/' },
  },
  {
    name: 'only main imports the cli',
    from: { path: '^src/', pathNot: COMPOSITION_ROOT },
    to: { path: COMPOSITION_ROOT },
  },
  { name: 'src imports only src', from: { path: '^src/' }, to: { path: '^(test|bench|web|dist|bin)/' } },
  {
    name: 'web imports no code of src',
    from: { path: '^web/' },
    to: { path: '^src/', dependencyTypesNot: ['type-only'] },
  },
  { name: 'no cycles', from: { path: '^(src|web)/' }, to: { circular: true } },
  { name: 'every import resolves', from: { path: '^(src|web)/' }, to: { couldNotResolve: true } },
  {
    name: 'no dead modules',
    from: { path: ENTRY },
    to: { path: '^(src|web)/', pathNot: [ENTRY, String.raw`\.d\.ts$`], reachable: false },
  },
  ...packageRules(),
];

export const RULE_NAMES: readonly string[] = FORBIDDEN.map(rule => rule.name ?? '');

/** `rule: from -> to` of each violation below `root`, sorted. */
export async function findLayerViolations(root: string, folders: readonly string[]): Promise<string[]> {
  const ruleSet: IFlattenedRuleSet = { forbidden: [...FORBIDDEN] };
  const { output } = await cruise([...folders], {
    baseDir: root,
    ruleSet,
    validate: true,
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|web/dist)/' },
  });
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered text: ${output}`);
  return output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort();
}
