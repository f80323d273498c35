/** A JSON schema as rows for people: field, what it takes, whether it must be there, what it means. */
import type { JsonSchema } from '../../src/gateway/asyncapi.ts';
import { code, table } from './markdown.ts';

/** JSON numbers that hold revisions go no further. */
const REVISION_MAX = Number.MAX_SAFE_INTEGER;

export function fieldTable(schema: JsonSchema, skipped: readonly string[] = []): string {
  const rows = Object.entries(schema.properties ?? {})
    .filter(([name]) => !skipped.includes(name))
    .map(([name, field]) => [
      code(name),
      typeOf(field),
      schema.required?.includes(name) ? 'yes' : '',
      field.description ?? '',
    ]);
  return rows.length === 0 ? '' : table(['field', 'takes', 'required', 'meaning'], rows);
}

/** In words, bounds included: `integer, -1 or more`. */
export function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (Array.isArray(schema.enum)) return (schema.enum as unknown[]).map(value => code(String(value))).join(', ');
  if (Array.isArray(schema.anyOf)) return (schema.anyOf as JsonSchema[]).map(typeOf).join(' or ');
  if (typeof schema.$ref === 'string') return `[${schema.$ref.split('/').at(-1) ?? ''}](#an-event)`;
  const types = [schema.type ?? 'anything'].flat();
  return types.map(type => typeInWords(type, schema)).join(' or ');
}

function typeInWords(type: string, schema: JsonSchema): string {
  switch (type) {
    case 'integer':
      return `integer${range(schema.minimum, schema.maximum)}`;
    case 'string':
      return stringInWords(schema);
    case 'array':
      return `array of ${typeOf((schema.items ?? {}) as JsonSchema)}${atMost(schema.maxItems)}`;
    case 'object':
      return objectInWords(schema);
    default:
      return type;
  }
}

function stringInWords({ format, pattern, minLength, maxLength }: JsonSchema): string {
  if (format === 'date-time') return 'time, ISO 8601';
  if (typeof pattern === 'string') return `string, ${code(pattern)}`;
  if (minLength === 1 && typeof maxLength === 'number') return `string, 1 to ${maxLength} units`;
  return `string${atMost(maxLength)}`;
}

function objectInWords({ properties, required, additionalProperties }: JsonSchema): string {
  if (properties === undefined || Object.keys(properties).length === 0)
    return typeof additionalProperties === 'object' && additionalProperties !== null
      ? `object of ${typeOf(additionalProperties as JsonSchema)}`
      : 'object';
  const fields = Object.entries(properties).map(
    ([name, field]) => `${name}${required?.includes(name) ? '' : '?'}: ${typeOf(field)}`,
  );
  return `{ ${fields.join('; ')} }`;
}

function range(minimum: unknown, maximum: unknown): string {
  const from = typeof minimum === 'number' && minimum > -REVISION_MAX ? minimum : undefined;
  const to = typeof maximum === 'number' && maximum < REVISION_MAX ? maximum : undefined;
  if (from !== undefined && to !== undefined) return `, ${from} to ${to}`;
  return from === undefined ? atMost(to) : `, ${from} or more`;
}

function atMost(bound: unknown): string {
  return typeof bound === 'number' ? `, at most ${bound}` : '';
}
