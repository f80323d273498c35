/**
 * Runs the examples of docs/: the shell lines of a page one after another in one shell, as a reader would, and programs
 * on their own, against one served process. Only the addresses are replaced, because it listens on free ports.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSourceFiles, REPOSITORY } from '../architecture/source-files.ts';
import { extractMarkedBlocks, requireBlock } from '../readme/marked-blocks.ts';
import { findPython } from '../support/external-tools.ts';
import { cleanEnvironment, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';

const RUN_TIMEOUT_MS = 60_000;
const MARK = '--- ';
const python = findPython();

/** What each block of shell lines must print, in the order in which pages and blocks are run. */
const SHELL: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  'docs/clients/quick-start.md': { token: /^$/, visitor: /^[\w-]+\.[\w-]+\.[\w-]+$/ },
  'docs/http-by-example.md': {
    key: /^$/,
    start: /"first":0,"last":0,.*"duplicate":false/,
    post: /"commandId":"hello-1","first":1,"last":1,.*"duplicate":false/,
    repeat: /"commandId":"hello-1","first":1,"last":1,.*"duplicate":true/,
    made: /"conversation":"[0-9a-f-]{36}"/,
    'if-match': /"first":2,.*\n200\n.*"code":"precondition-failed".*\n412/,
    read: /"status":"open".*"type":"ConversationStarted".*How can we help\?.*"type":"PrioritySet"/s,
    follow: /"after":2,"upTo":2,"events":\[\],"more":false/,
    analyse: /\{ supervisor: 1 \}/,
    contracts: /^"openapi":"3\.1\.0"\n"asyncapi":"3\.0\.0"$/,
  },
  'docs/auditors.md': {
    audit: /"text":"How can we help\?"[^]*"rev":0,[^]*"rev":1,[^]*"rev":2,/,
    'read-only': /"status":403/,
  },
  'docs/queries.md': {
    key: /^$/,
    talk: /^$/,
    mine: /"conversations":\[\{"conversation":"order-7".*"text":"We look for it\.".*"tags":\["late-parcel"\].*"more":false/,
    changes: /"conversations":\[\],"gone":\["order-7"\],"more":false/,
    transcript: /"seq":0,"rev":2,.*"text":"We look for it\.".*"next":null,"previous":null\}\s*not both/s,
    participants: /"participant":"key-.*"participant":"vera".*"participant":"vera","conversation":"order-7"/s,
    volume: /\+05:45","counters":\{"messages":1,"visitorMessages":0,"staffMessages":1,/,
    unchanged: /^304$/,
  },
  'docs/operators/read-models.md': {
    ready: /"status":"ready","projections":\[\{"name":"messages","state":"(live|catching-up)"/,
    rebuild: /conversations is built anew: .*\nconversations equals the log: /,
  },
  'docs/operators/metrics.md': { metrics: /^verbatim_sockets \d+$/m },
};
const PROGRAMS = [
  { page: 'docs/clients/quick-start.md', block: 'python', prints: /"op": ?"ack".*"duplicate": ?false/ },
];

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.dispose());

function blocksOf(page: string): ReturnType<typeof extractMarkedBlocks> {
  const here = readFileSync(join(REPOSITORY, page), 'utf8')
    .replaceAll('127.0.0.1:3001', new URL(server.gatewayUrl).host)
    .replaceAll('127.0.0.1:3000', new URL(server.httpUrl).host);
  return extractMarkedBlocks(here);
}

async function run(command: string, args: readonly string[], input: string, more = {}): Promise<string> {
  const child = spawn(command, args, {
    cwd: REPOSITORY,
    env: cleanEnvironment({ ...server.environment, ...more }),
    stdio: 'pipe',
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(input);
  await once(child, 'close');
  expect(child.exitCode, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

describe('the examples of the documents', () => {
  it.each(Object.entries(SHELL))('run: the shell lines of %s', async (page, expected) => {
    const blocks = blocksOf(page);
    const shell = [...blocks].filter(([, { language }]) => language === 'sh').map(([name]) => name);
    expect(shell).toEqual(Object.keys(expected));
    const script = shell
      .map(name => `echo '${MARK}${name}'\n${requireBlock(blocks, name, /^sh$/).code}echo\n`)
      .join('');
    const output = await run('bash', ['-euo', 'pipefail', '-s'], script);
    for (const said of output.split(MARK).slice(1)) {
      const name = said.slice(0, said.indexOf('\n'));
      expect(said.slice(name.length + 1).trim(), name).toMatch(expected[name] ?? /(?!)/);
    }
  });

  it.skipIf(!python.found).each(PROGRAMS)('run: $block of $page', async ({ page, block, prints }) => {
    if (!python.found) return;
    const { code } = requireBlock(blocksOf(page), block, /^python$/);
    const output = await run(python.path, ['-'], code, { TOKEN: server.token('agent', 'alice') });
    expect(output).toMatch(prints);
  });

  it('are all run: a block of code in docs/ has a marker, or says why it has none', () => {
    const unmarked = readSourceFiles(['docs'], /\.md$/).flatMap(({ path, text }) =>
      unmarkedCode(text).map(at => `${path}: ${at}`),
    );
    expect(unmarked).toEqual([]);
    const named = readSourceFiles(['docs'], /\.md$/).flatMap(({ path, text }) =>
      [...extractMarkedBlocks(text)].map(([name]) => `${path} ${name}`),
    );
    const known = [
      ...Object.entries(SHELL).flatMap(([page, blocks]) => Object.keys(blocks).map(name => `${page} ${name}`)),
      ...PROGRAMS.map(({ page, block }) => `${page} ${block}`),
    ];
    expect(named.sort()).toEqual(known.sort());
  });

  it('one without a marker is found', () => {
    const block = '```sh\nls\n```\n';
    expect(unmarkedCode(`Text.\n\n${block}`)).toEqual(['ls']);
    expect(unmarkedCode(`<!-- test: a -->\n${block}`)).toEqual([]);
    expect(unmarkedCode(`<!-- not run: needs a cluster -->\n${block}`)).toEqual([]);
    expect(unmarkedCode(`<!-- generated: a -->\n${block}<!-- end: a -->`)).toEqual([]);
    expect(unmarkedCode('```\nwhat passes\n```\n```json\n{}\n```\n')).toEqual([]);
  });

  it('metrics: a server has those that the page lists, and no other', async () => {
    const page = readFileSync(join(REPOSITORY, 'docs/operators/metrics.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(verbatim_\w+)` \|/gm)].map(([, name]) => name);
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
    const served = [...text.matchAll(/^# TYPE (verbatim_\w+) /gm)].map(([, name]) => name);
    expect(served.length).toBeGreaterThan(15);
    expect(served.sort()).toEqual(listed.sort());
  });
});

/** First lines of blocks in a language that runs, with neither a marker nor a reason above them. */
function unmarkedCode(markdown: string): string[] {
  const byHand = markdown.replaceAll(/^<!-- generated: (\S+) -->$.*?^<!-- end: \1 -->$/gms, '');
  return [...byHand.matchAll(/([^\n]*)\n+```(?:sh|bash|shell|python|py|js|javascript|ts|html)\n([^\n]*)/g)]
    .filter(([, above = '']) => !/^<!-- (test|not run): .+ -->$/.test(above))
    .map(([, , first = '']) => first);
}
