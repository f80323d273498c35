import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.ts';
import type { LoadedConfig } from '../../src/config/config.ts';
import { SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts';
import { parseConnectionString } from '../../src/event-store/eventstoredb/connection-string.ts';
import { REPOSITORY } from '../support/server-process.ts';
import { COMPOSE_RULES, readCompose, readEnvFile, schemaFaults } from './compose.ts';
import type { ComposeFile, Service } from './compose.ts';

const TEXT = readFileSync(join(REPOSITORY, 'docker-compose.yml'), 'utf8');
const CLUSTER_ENV = readEnvFile(readFileSync(join(REPOSITORY, 'deploy', 'cluster.env'), 'utf8'));
const COMPOSE = readCompose(TEXT);
const CLUSTER = readCompose(TEXT, CLUSTER_ENV);

function service(name: string, compose = COMPOSE): Service {
  const found = compose.services[name];
  if (!found) throw new Error(`There is no service ${name}.`);
  return found;
}

/** Verbatim's settings as the container would read them. */
function configOf(compose: ComposeFile): LoadedConfig {
  const { environment = {} } = service('verbatim', compose);
  return loadConfig({
    environment: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value ?? undefined])),
    readFile: path => `the content of ${path}, which is long enough`,
  });
}

describe('docker-compose.yml', () => {
  it('is what the Compose specification allows', () => {
    expect(schemaFaults(COMPOSE)).toEqual([]);
    expect(schemaFaults(CLUSTER)).toEqual([]);
  });

  it.each([
    ['a key that nobody knows', { services: { a: { image: 'a', imagee: 'b' } } }],
    ['a port that is none', { services: { a: { image: 'a', ports: [{ target: {} }] } } }],
    ['a condition that is none', { services: { a: { image: 'a', depends_on: { b: { condition: 'well' } } } } }],
    ['a service that is a list', { services: { a: [] } }],
  ])('the specification refuses %s', (_, document) => {
    expect(schemaFaults(document)).not.toEqual([]);
  });

  const good: Service = {
    ...{ image: 'a:1.2.3', restart: 'unless-stopped', healthcheck: { test: ['CMD', 'true'] } },
    ...{ ports: ['127.0.0.1:1:1'], volumes: ['a-data:/data'] },
  };
  const broken = (more: Service, rest: Partial<ComposeFile> = {}): ComposeFile => ({
    services: { a: { ...good, ...more } },
    volumes: { 'a-data': null },
    ...rest,
  });
  const BROKEN: Readonly<Record<keyof typeof COMPOSE_RULES, readonly ComposeFile[]>> = {
    'an image is pinned to a version of three numbers': [
      broken({ image: 'a:latest' }),
      broken({ image: 'a' }),
      broken({ image: 'a:1.2' }),
    ],
    'a port is published on the loopback, as the number it has inside': [
      broken({ ports: ['1:1'] }),
      broken({ ports: ['127.0.0.1:2:1'] }),
    ],
    'data is in a named volume, and what is mounted from here exists': [
      broken({ volumes: ['/data'] }),
      broken({ volumes: ['other:/data'] }),
      broken({ volumes: ['a-data:/data', './deploy/nothing:/x:ro'] }),
      broken({ volumes: ['a-data:/data', './deploy/cluster.env:/x'] }),
      broken({}, { volumes: { 'a-data': null, spare: null } }),
    ],
    'no two services write to one volume': [{ services: { a: good, b: good }, volumes: { 'a-data': null } }],
    'what goes on running has a health check and is restarted': [
      broken({ healthcheck: {} }),
      broken({ restart: 'no' }),
    ],
    'what is waited for has a health check, and is started whenever it is waited for': [
      broken({ depends_on: { nobody: { condition: 'service_healthy' } } }),
      broken({ depends_on: { a: { condition: 'service_started' } } }),
      {
        services: {
          a: { ...good, depends_on: { b: { condition: 'service_healthy' } } },
          b: { ...good, profiles: ['cluster'] },
        },
      },
    ],
    'a secret is a file, and nothing secret stands in the environment': [
      broken({ environment: { JWT_SECRET: 'changeit' } }),
      broken({ environment: { JWT_SECRET_FILE: '/run/secrets/jwt-secret' } }),
      broken({ secrets: ['jwt-secret'] }),
      broken({}, { secrets: { 'jwt-secret': { file: '/etc/passwd' } } }),
    ],
  };

  it.each(Object.entries(COMPOSE_RULES))('%s', (name, rule) => {
    expect(rule(COMPOSE)).toEqual([]);
    expect(rule(CLUSTER)).toEqual([]);
    expect(rule(broken({}))).toEqual([]);
    const faulty = BROKEN[name] ?? [];
    expect(faulty.length).toBeGreaterThan(0);
    for (const document of faulty) expect(rule(document), JSON.stringify(document)).not.toEqual([]);
  });

  it('gives Verbatim settings that it has, and values that it takes, with one node and with three', () => {
    const known: readonly string[] = SETTING_NAMES.flatMap(name => [name, `${name}_FILE`]);
    for (const compose of [COMPOSE, CLUSTER]) {
      const names = Object.keys(service('verbatim', compose).environment ?? {});
      expect(names.filter(name => !known.includes(name))).toEqual([]);
      const { config, warnings } = configOf(compose);
      expect(warnings).toEqual([]);
      expect(config).toMatchObject({ NODE_ENV: 'production', HOST: '0.0.0.0', DATA_DIR: '/var/lib/verbatim' });
    }
    const bad = readCompose(TEXT, { EVENTSTORE_URL: 'http://eventstoredb:2113' });
    expect(() => configOf(bad)).toThrow(ConfigError);
  });

  it('publishes the default ports, leaves Verbatim the time to drain, and keeps its folder', () => {
    const { ports, stop_grace_period: grace = '', volumes } = service('verbatim');
    const { config } = configOf(COMPOSE);
    expect(ports).toEqual(
      [SETTINGS.HTTP_PORT.fallback, SETTINGS.GATEWAY_PORT.fallback].map(port => `127.0.0.1:${port}:${port}`),
    );
    expect([config.HTTP_PORT, config.GATEWAY_PORT]).toEqual([
      SETTINGS.HTTP_PORT.fallback,
      SETTINGS.GATEWAY_PORT.fallback,
    ]);
    expect(Number(/^(\d+)s$/.exec(grace)?.[1]) * 1_000).toBeGreaterThan(config.SHUTDOWN_GRACE_MS);
    expect(volumes).toEqual([`verbatim-data:${config.DATA_DIR}`]);
  });

  it('has one EventStoreDB, and three with the profile `cluster`, each seeded with the other two', () => {
    const nodes = Object.keys(COMPOSE.services).filter(name => name.startsWith('eventstoredb'));
    expect(nodes).toEqual(['eventstoredb', 'eventstoredb-2', 'eventstoredb-3']);
    const profiled = Object.entries(COMPOSE.services).filter(([, { profiles }]) => profiles !== undefined);
    expect(profiled.map(([name, { profiles }]) => [name, profiles])).toEqual([
      ['eventstoredb-2', ['cluster']],
      ['eventstoredb-3', ['cluster']],
    ]);
    expect(service('eventstoredb').environment).toMatchObject({
      EVENTSTORE_CLUSTER_SIZE: '1',
      EVENTSTORE_GOSSIP_SEED: null,
    });
    for (const name of nodes) {
      const environment = { ...service(name, CLUSTER).environment };
      environment.EVENTSTORE_GOSSIP_SEED ??= CLUSTER_ENV.EVENTSTORE_GOSSIP_SEED ?? '';
      const others = nodes.filter(other => other !== name).map(other => `${other}:2113`);
      expect(environment).toMatchObject({
        EVENTSTORE_CLUSTER_SIZE: '3',
        EVENTSTORE_GOSSIP_SEED: others.join(','),
        EVENTSTORE_NODE_HOST_ADVERTISE_AS: name,
        EVENTSTORE_REPLICATION_HOST_ADVERTISE_AS: name,
      });
    }
  });

  it('connects Verbatim to the nodes that there are', () => {
    const hostsOf = (compose: ComposeFile): unknown =>
      parseConnectionString(configOf(compose).config.EVENTSTORE_URL ?? '').hosts;
    expect(hostsOf(COMPOSE)).toEqual([{ address: 'eventstoredb', port: 2_113 }]);
    expect(hostsOf(CLUSTER)).toEqual(
      ['eventstoredb', 'eventstoredb-2', 'eventstoredb-3'].map(address => ({ address, port: 2_113 })),
    );
  });

  it('initiates the replica set that MongoDB is started as', () => {
    const script = readFileSync(join(REPOSITORY, 'deploy', 'mongodb-initiation.js'), 'utf8');
    const command = /command: \[mongod, --replSet, (\w+)/.exec(TEXT)?.[1];
    expect(script).toContain(`_id: '${command ?? 'none'}', members: [{ _id: 0, host: 'mongodb:27017' }]`);
    const versions = ['mongodb', 'mongodb-initiation'].map(name => service(name).image);
    expect(new Set(versions).size).toBe(1);
  });
});
