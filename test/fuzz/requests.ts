/** HTTP requests made from the OpenAPI document of a server: every operation, with ids and fields that somebody chose. */
import { oneIn, pick } from './mutations.ts';
import type { Random } from './mutations.ts';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
}

export interface Operation {
  /** `POST /v1/conversations/{conversation}/…` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Of its body; undefined: it takes none. */
  readonly mediaType: string | undefined;
}

interface Described {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters?: readonly Parameter[];
            readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
          }
        >
      >
    >
  >;
}

export async function operationsOf(url: string): Promise<Operation[]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as Described;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      ...{ method: method.toUpperCase(), path, parameters },
      mediaType: Object.keys(requestBody?.content ?? {})[0],
    })),
  );
}

export interface Choices {
  readonly ids: readonly string[];
  /** By name, for bodies. */
  readonly fields: object;
  readonly text: string;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function requestOf(
  { method, path, parameters, mediaType }: Operation,
  random: Random,
  { ids, fields, text }: Choices,
): Request {
  const headers: Record<string, string> = {};
  const query = new URLSearchParams();
  for (const { name, in: where, required } of parameters) {
    if (where === 'query' && oneIn(random, 2)) query.set(name, queryValue(name, random, ids));
    if (where === 'header' && required === true) headers[name] = `k${random()}`;
  }
  if (mediaType !== undefined) headers['content-type'] = mediaType;
  const filled = path.replaceAll(/\{\w+\}/g, () => pick(random, ids));
  const id = pick(random, ids);
  const line = { id: `l${random()}`, conversation: id, at: '2030-01-01T00:00:00Z', author: text, role: 'agent', text };
  return {
    method,
    path: query.size > 0 ? `${filled}?${query.toString()}` : filled,
    headers,
    ...(mediaType === undefined ? {} : { body: JSON.stringify(mediaType.endsWith('ndjson') ? line : fields) }),
  };
}

function queryValue(name: string, random: Random, ids: readonly string[]): string {
  if (name === 'conversation') return pick(random, ids);
  if (name === 'from' || name === 'to') return '2010-01-01T00:00:00Z';
  return String(Math.floor(random() * 20));
}
