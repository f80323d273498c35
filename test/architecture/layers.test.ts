import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findLayerViolations, RULE_NAMES } from './layer-rules.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');

/** For each rule a tree of files that breaks it: path -> content. The first file is the one that is blamed. */
const PLANTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'domain imports only domain': { 'src/domain/a.ts': `import 'node:fs';` },
  'commands never import projections': {
    'src/commands/a.ts': `import type { B } from '../projections/b.ts';`,
    'src/projections/b.ts': 'export type B = 1;',
  },
  'projections never import commands': {
    'src/projections/a.ts': `import '../commands/b.ts';`,
    'src/commands/b.ts': '',
  },
  'gateway imports neither http nor cli': { 'src/gateway/a.ts': `import '../http/b.ts';`, 'src/http/b.ts': '' },
  'only the composition root imports adapters': {
    'src/gateway/a.ts': `import type { B } from './b.uwebsockets.ts';`,
    'src/gateway/b.uwebsockets.ts': 'export type B = 1;',
  },
  'an engine is seen only by its adapter': {
    'src/commands/a.ts': `import '../event-store/embedded/b.ts';`,
    'src/event-store/embedded/b.ts': '',
  },
  'the calls to EventStoreDB are seen only by their adapter': {
    'src/commands/a.ts': `import '../event-store/eventstoredb/b.ts';`,
    'src/event-store/eventstoredb/b.ts': '',
  },
  'a read store is seen only by its adapter': {
    'src/commands/a.ts': `import '../read-store/embedded/b.ts';`,
    'src/read-store/embedded/b.ts': '',
  },
  'only main imports the cli': { 'src/commands/a.ts': `import '../cli/b.ts';`, 'src/cli/b.ts': '' },
  'src imports only src': { 'src/commands/a.ts': `import '../../test/b.ts';`, 'test/b.ts': '' },
  'web imports no code of src': {
    'web/a.ts': `import { b } from '../src/b.ts'; b();`,
    'src/b.ts': 'export const b = 1;',
  },
  'no cycles': { 'src/a.ts': `import './b.ts';`, 'src/b.ts': `import './a.ts';` },
  'every import resolves': { 'src/a.ts': `import './missing.ts';` },
  'no dead modules': { 'src/main.ts': '', 'src/dead.ts': '' },
  'every package has a row': { 'src/http/a.ts': `import 'left-pad';` },
  'package @eventstore/db-client only in its place': { 'src/gateway/a.ts': `import '@eventstore/db-client';` },
  'package @grpc/grpc-js only in its place': { 'src/cli/a.ts': `import type { Client } from '@grpc/grpc-js';` },
  'package google-protobuf only in its place': { 'src/http/a.ts': `import 'google-protobuf';` },
  'package lmdb only in its place': { 'src/gateway/a.ts': `import 'lmdb';` },
  'package mingo only in its place': { 'src/projections/a.ts': `import 'mingo';` },
  'package mongodb only in its place': { 'src/projections/a.ts': `import type { Db } from 'mongodb';` },
  'package luxon only in its place': { 'src/domain/a.ts': `import 'luxon';` },
  'package uWebSockets.js only in its place': { 'src/gateway/a.ts': `await import('uWebSockets.js');` },
  'package ws only in its place': { 'src/gateway/a.ts': `import 'ws';` },
  'package fastify only in its place': { 'src/gateway/a.ts': `import type { FastifyInstance } from 'fastify';` },
  'package @fastify/helmet only in its place': { 'src/cli/a.ts': `import '@fastify/helmet';` },
  'package @fastify/static only in its place': { 'src/cli/a.ts': `import '@fastify/static';` },
  'package @fastify/swagger only in its place': { 'src/cli/a.ts': `import '@fastify/swagger';` },
  'package @fastify/swagger-ui only in its place': { 'src/cli/a.ts': `import '@fastify/swagger-ui';` },
  'package fastify-type-provider-zod only in its place': { 'src/cli/a.ts': `import 'fastify-type-provider-zod';` },
  'package prom-client only in its place': { 'src/http/a.ts': `import 'prom-client';` },
  'package commander only in its place': { 'src/http/a.ts': `import 'commander';` },
  'package cli-progress only in its place': { 'src/http/a.ts': `import 'cli-progress';` },
  'package pino only in its place': { 'src/http/a.ts': `import 'pino';` },
  'package jose only in its place': { 'src/http/a.ts': `import 'jose';` },
  'package canonicalize only in its place': { 'src/http/a.ts': `import 'canonicalize';` },
  'package uuid only in its place': { 'src/domain/a.ts': `import 'uuid';` },
  'package zod only in its place': { 'src/domain/a.ts': `import type { z } from 'zod';` },
  'package preact only in its place': { 'src/http/a.ts': `import 'preact';` },
  'package vite only in its place': { 'web/a.ts': `import 'vite';` },
};

let planted: string | undefined;

function plant(files: Readonly<Record<string, string>>): string {
  planted = mkdtempSync(join(tmpdir(), 'verbatim-layers-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(planted, path)), { recursive: true });
    writeFileSync(join(planted, path), `${content}\n`);
  }
  return planted;
}

afterEach(() => {
  if (planted !== undefined) rmSync(planted, { recursive: true });
  planted = undefined;
});

describe('layers', () => {
  it('src and web keep every layer rule', async () => {
    expect(await findLayerViolations(REPOSITORY, ['src', 'web'])).toEqual([]);
  });

  it('every rule has a planted violation', () => {
    expect(Object.keys(PLANTED).sort()).toEqual([...RULE_NAMES].sort());
  });

  it.each(Object.entries(PLANTED))('"%s" finds its planted violation', async (rule, files) => {
    const folders = [...new Set(Object.keys(files).map(path => path.split('/')[0] ?? ''))];
    const violations = await findLayerViolations(plant(files), folders);
    const blamed = rule === 'no dead modules' ? 'src/dead.ts' : Object.keys(files)[0];
    expect(violations.filter(violation => violation.startsWith(`${rule}:`)).join('\n')).toContain(blamed);
  });

  it('a tree that keeps the rules has no violation', async () => {
    const root = plant({
      'src/main.ts': `import './cli/serve.ts';`,
      'src/cli/serve.ts': `import '../event-store/event-store.embedded.ts'; import '../gateway/hub.ts';`,
      'src/event-store/event-store.embedded.ts': `import './embedded/log.ts';`,
      'src/event-store/embedded/log.ts': `import 'node:fs';`,
      'src/gateway/hub.ts': `import '../domain/view.ts'; import '../commands/commands.ts';`,
      'src/domain/view.ts': '',
      'src/commands/commands.ts': '',
    });
    expect(await findLayerViolations(root, ['src'])).toEqual([]);
  });
});
