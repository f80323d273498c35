/**
 * docker-compose.yml as Compose reads it: YAML, variables filled in, held to the Compose specification's own JSON schema;
 * then this project's rules over it, as functions from the document to what is wrong, so that faults can be planted.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { REPOSITORY } from '../support/server-process.ts';

export interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly stop_grace_period?: string;
  readonly restart?: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

const SCHEMA = join(import.meta.dirname, 'compose-spec', 'compose-spec.json');

/** @param variables what the shell and `--env-file` hold */
export function readCompose(text: string, variables: Readonly<Record<string, string>> = {}): ComposeFile {
  const document = parse(text, { merge: true }) as ComposeFile;
  return JSON.parse(JSON.stringify(document), (_, value: unknown) =>
    typeof value === 'string' ? filledIn(value, variables) : value,
  ) as ComposeFile;
}

/** `${NAME}` and `${NAME:-otherwise}`, the forms that the file uses. */
function filledIn(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, otherwise: string | undefined) => {
    const value = variables[name] || otherwise;
    if (value === undefined) throw new Error(`Compose would warn that ${name} is not set.`);
    return value;
  });
}

export function readEnvFile(text: string): Record<string, string> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** What the Compose specification says against it. */
export function schemaFaults(document: unknown): string[] {
  // `format` names such as `duration` are Compose's own.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(readFileSync(SCHEMA, 'utf8')) as object);
  return validate(document)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
}

type Rule = (document: ComposeFile) => string[];

/** What no reader of the file should have to look for: name -> what is against it. */
export const COMPOSE_RULES: Readonly<Record<string, Rule>> = {
  'an image is pinned to a version of three numbers': ({ services }) =>
    named(services)
      .filter(([, { image = '' }]) => !/:\d+\.\d+\.\d+(-[\w.-]+)?$/.test(image))
      .map(([name, { image }]) => `${name}: ${image ?? 'no image'}`),

  'a port is published on the loopback, as the number it has inside': ({ services }) =>
    named(services).flatMap(([name, { ports = [] }]) =>
      ports.filter(port => !/^127\.0\.0\.1:(\d+):\1$/.test(port)).map(port => `${name}: ${port}`),
    ),

  'data is in a named volume, and what is mounted from here exists': ({ services, volumes = {} }) => {
    const mounted = named(services).flatMap(([name, service]) =>
      (service.volumes ?? []).map(volume => ({ name, source: volume.split(':')[0] ?? '', volume })),
    );
    const used = new Set(mounted.map(({ source }) => source));
    const wrong = mounted.filter(({ source, volume }) => {
      if (source.startsWith('./')) return !existsSync(join(REPOSITORY, source)) || !volume.endsWith(':ro');
      return !(source in volumes);
    });
    return [
      ...wrong.map(({ name, volume }) => `${name}: ${volume}`),
      ...Object.keys(volumes).filter(volume => !used.has(volume)),
    ];
  },

  'no two services write to one volume': ({ services }) => {
    const all = named(services).flatMap(([, { volumes = [] }]) => volumes.map(volume => volume.split(':')[0] ?? ''));
    const data = all.filter(source => !source.startsWith('.'));
    return data.filter((source, index) => data.indexOf(source) !== index);
  },

  'what goes on running has a health check and is restarted': ({ services }) =>
    named(services)
      .filter(([, { restart = '' }]) => !restart.startsWith('on-failure:'))
      .filter(([, { healthcheck, restart }]) => (healthcheck?.test ?? []).length === 0 || restart !== 'unless-stopped')
      .map(([name]) => name),

  'what is waited for has a health check, and is started whenever it is waited for': ({ services }) =>
    named(services).flatMap(([name, { depends_on = {}, profiles = [] }]) =>
      Object.entries(depends_on)
        .filter(([other, { condition }]) => {
          const target = services[other];
          const isStarted = target?.profiles === undefined || profiles.some(one => target.profiles?.includes(one));
          return !target?.healthcheck || condition !== 'service_healthy' || !isStarted;
        })
        .map(([other]) => `${name}: ${other}`),
    ),

  'a secret is a file, and nothing secret stands in the environment': ({ services, secrets = {} }) => [
    ...Object.entries(secrets)
      .filter(([name, { file }]) => file !== `./deploy/secrets/${name}`)
      .map(([name]) => name),
    ...named(services).flatMap(([name, service]) => [
      ...(service.secrets ?? []).filter(secret => !(secret in secrets)).map(secret => `${name}: ${secret}`),
      ...Object.entries(service.environment ?? {})
        .filter(
          ([variable, value]) => /SECRET|PASSWORD|TOKEN|KEY/.test(variable) && !isMounted(variable, value, service),
        )
        .map(([variable]) => `${name}: ${variable}`),
    ]),
  ],
};

function isMounted(variable: string, value: string | null, { secrets = [] }: Service): boolean {
  return variable.endsWith('_FILE') && secrets.some(secret => value === `/run/secrets/${secret}`);
}

function named(services: ComposeFile['services']): [string, Service][] {
  return Object.entries(services);
}
