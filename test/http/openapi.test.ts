import { Validator } from '@seriousme/openapi-schema-validator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.ts';
import { CONVERSATION_COMMAND_DOCUMENTS } from '../../src/schemas/conversation-command-documents.ts';
import { conversationCommandSchemas } from '../../src/schemas/conversation-commands.ts';
import { ask, startHttp } from './support.ts';
import type { TestServer } from './support.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> };
  readonly responses: Record<string, { readonly content: Record<string, unknown>; readonly headers?: object }>;
  readonly security?: unknown;
  readonly parameters?: readonly { readonly name: string; readonly required?: boolean }[];
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, unknown> };
}

let running: TestServer;
let document: Document;

beforeEach(async () => {
  running = await startHttp();
  document = (await ask(`${running.url}/openapi.json`)).json as unknown as Document;
});
afterEach(async () => {
  await running.server.close(0);
  await running.keyDirectory.stop();
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, method, operation })),
  );

/** Routes that no document has: documents, and what only the page itself, or the command line of its operator, may ask for. */
const UNDOCUMENTED = ['/openapi.json', '/asyncapi.json', '/docs', '/v1/page/tokens', '/v1/backups'];
/** Lines that have ids of their own; and what to do again changes nothing more. */
const WITHOUT_KEY = [
  ...['/v1/import', '/v1/scavenges'],
  ...['/v1/projections/{name}/rebuild', '/v1/projections/{name}/verify'],
];

/** `GET /v1/api-keys` of the tree that the router prints, a level four characters deep. HEAD goes with every GET. */
function routesOf(tree: string): string[] {
  const parents: string[] = [];
  return tree.split('\n').flatMap(line => {
    const [, indent, part, methods] = /^(.*)[├└]── (\S+) \((.+)\)$/.exec(line) ?? [];
    if (indent === undefined || part === undefined || methods === undefined) return [];
    const depth = indent.length / 4;
    parents.splice(depth, parents.length, part);
    const path = parents.join('').replace(/:(\w+)/g, '{$1}');
    return methods
      .split(', ')
      .filter(method => method !== 'HEAD')
      .map(method => `${method} ${path}`);
  });
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    expect(document.openapi).toBe('3.1.0');
    const { valid, errors } = await new Validator().validate({ ...document });
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });

  it('has every route, and no other', () => {
    const documented = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    const known = routesOf(running.server.app.printRoutes({ commonPrefix: false })).filter(
      route => !UNDOCUMENTED.some(path => route.includes(` ${path}`)),
    );
    expect(known.length).toBeGreaterThan(30);
    expect(documented.sort()).toEqual(known.sort());
  });

  it('names each operation once, and says what it is', () => {
    const named = operations().filter(({ path }) => path.startsWith('/v1/'));
    const ids = named.map(({ operation }) => operation.operationId);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations()) expect(operation.summary, name).toBeTruthy();
  });

  it('says of each command what it does, with a body that it takes, and not its name again', () => {
    for (const [type, schema] of Object.entries(conversationCommandSchemas)) {
      const operation = document.paths[`/v1/conversations/{conversation}/commands/${type}`]?.post;
      expect(operation?.summary, type).toMatch(/^[A-Z][a-z]+ \S+/);
      expect(operation?.description, type).toMatch(/\.$/);
      const example = operation?.requestBody?.content['application/json']?.example;
      expect(schema.strict().parse(example), type).toEqual(example);
    }
    const summaries = Object.values(CONVERSATION_COMMAND_DOCUMENTS).map(({ summary }) => summary);
    expect(new Set(summaries).size).toBe(summaries.length);
  });

  it('shows an example of every body', () => {
    for (const { name, operation } of operations())
      for (const { example } of Object.values(operation.requestBody?.content ?? {}))
        expect(example, name).toBeDefined();
  });

  it('documents for each operation of a tenant who may not, too many, and what is ours', () => {
    for (const { name, operation, path } of operations())
      if (path.startsWith('/v1/')) {
        expect(Object.keys(operation.responses), name).toEqual(
          expect.arrayContaining(['400', '401', '403', '429', '500', '503']),
        );
        expect(operation.security, name).toEqual([{ bearer: [] }]);
      }
  });

  it('names the tag of whatever is answered 304 to it', () => {
    const tagged = operations().filter(({ operation }) => operation.responses['304'] !== undefined);
    expect(tagged.map(({ path }) => path).sort()).toEqual([
      ...['/v1/conversations', '/v1/conversations/{conversation}/messages'],
      ...['/v1/conversations/{conversation}/participants', '/v1/participants/{participant}/conversations'],
      '/v1/volume',
    ]);
    for (const { name, operation } of tagged)
      expect(Object.keys(operation.responses['200']?.headers ?? {}), name).toContain('ETag');
  });

  it('answers every error as problem details, of a status that the table of errors has', () => {
    const statuses = new Set<number>(Object.values(ERROR_CODES).map(({ httpStatus }) => httpStatus));
    for (const { name, operation } of operations())
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        expect(statuses.has(Number(status)), `${name} ${status}`).toBe(true);
        expect(Object.keys(content), `${name} ${status}`).toEqual(['application/problem+json']);
      }
  });

  it('asks every POST but the import, a scavenge and work on read models for an Idempotency-Key', () => {
    const posts = operations().filter(({ method, path }) => method === 'post' && !WITHOUT_KEY.includes(path));
    expect(posts.length).toBeGreaterThan(20);
    for (const { name, operation } of posts)
      expect(operation.parameters, name).toContainEqual(
        expect.objectContaining({ name: 'idempotency-key', required: true }),
      );
  });
});

describe('around the routes', () => {
  it('Swagger UI is at /docs, under the policy of every page but for styles: no script but its own', async () => {
    const page = await ask(`${running.url}/docs`);
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("script-src 'self';");
    expect(page.text).not.toMatch(/<script(?![^>]*src=)|<style|style=|onload=/);
    for (const [, path] of page.text.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g))
      expect((await ask(`${running.url}${path ?? ''}`)).status, path).toBe(200);
  });

  it('a method that a path has not is 405 with those it has', async () => {
    const answer = await ask(`${running.url}/v1/conversations/42/events`, { method: 'DELETE' });
    expect(answer.json).toMatchObject({ status: 405, code: 'method-not-allowed' });
    expect(answer.headers.allow).toBe('GET, HEAD');
    expect((await ask(`${running.url}/v1/import`, { method: 'QUERY' })).json).toMatchObject({ status: 405 });
    expect((await ask(`${running.url}/v1/nothing`, { method: 'DELETE' })).status).toBe(404);
  });

  it('a path that is no URL is a problem, too', async () => {
    expect((await ask(`${running.url}/v1/conversations/a%ZZ`)).json).toMatchObject({
      status: 400,
      code: 'bad-request',
    });
  });
});
