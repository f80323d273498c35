/**
 * What does a command cost, and which part of it? PostMessage through the handler with the store stubbed and nothing
 * sealed (decide, digest, ids, JSON), the same sealed, the same durable in the embedded store, and the same over HTTP in
 * the served product: CPU a command, each part by the difference, and the ratio to the path over the stub. Rounds are
 * interleaved; figures are medians.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { startServer } from '../test/support/server-process.ts';
import { startChild } from './support/child-process.ts';
import type { CommandFigures, CommandServer, CommandSystem } from './support/command-server.ts';
import { machineLine } from './support/machine.ts';
import { median, round, table } from './support/stats.ts';

const WRITERS = Number(process.env.WRITERS ?? 64);
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const RUN_MS = Number(process.env.SECONDS ?? 2) * 1_000;
const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);
const MESSAGES_A_CONVERSATION = 100;

const SYSTEMS = ['decided', 'sealed', 'appended', 'http'] as const;
type SystemName = (typeof SYSTEMS)[number];
const LABELS: Record<SystemName, string> = {
  decided: 'decide, digest, ids, JSON; the store stubbed',
  sealed: '… and sealed',
  appended: '… and durable in the embedded store',
  http: '… and over HTTP, in the served product',
};

const folder = mkdtempSync(join(process.cwd(), '.bench-'));
const child = startChild<CommandServer>('command-server', [folder]);
const unlimited = { HTTP_REQUESTS_PER_SECOND_MAX: '1000000', HTTP_TENANT_REQUESTS_PER_SECOND_MAX: '1000000' };
const server = await startServer({
  dataFolder: join(folder, 'served'),
  environment: { LOG_LEVEL: 'warn', ...unlimited },
});
const agent = new Agent({ keepAlive: true, maxSockets: WRITERS });
const authorization = `Bearer ${server.token('agent', 'agent-1')}`;

function post(conversation: string, type: string, data: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    const url = `${server.httpUrl}/v1/conversations/${conversation}/commands/${type}`;
    const request = httpRequest(url, { method: 'POST', agent, headers }, response => {
      response.on('error', reject).resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${type} was answered with ${response.statusCode ?? 0}.`));
      });
    });
    request.on('error', reject).end(JSON.stringify(data));
  });
}

/** As the server measures itself, in microseconds. */
async function cpuMicros(): Promise<number> {
  const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]) * 1_000_000;
}

async function runHttp(): Promise<CommandFigures> {
  const cpu = await cpuMicros();
  const begun = performance.now();
  const write = async (): Promise<number> => {
    let done = 0;
    while (performance.now() - begun < RUN_MS) {
      const conversation = randomUUID();
      await post(conversation, 'StartConversation', { channel: 'web', visitor: randomUUID() });
      done += 1;
      for (let i = 1; i < MESSAGES_A_CONVERSATION && performance.now() - begun < RUN_MS; i += 1, done += 1)
        await post(conversation, 'PostMessage', { text: TEXT });
    }
    return done;
  };
  const made = await Promise.all(Array.from({ length: WRITERS }, write));
  const seconds = (performance.now() - begun) / 1_000;
  return { commands: made.reduce((sum, each) => sum + each, 0), seconds, cpu: (await cpuMicros()) - cpu };
}

const rates: Record<SystemName, number[]> = { decided: [], sealed: [], appended: [], http: [] };
const costs: Record<SystemName, number[]> = { decided: [], sealed: [], appended: [], http: [] };
try {
  // The first round warms up.
  for (let roundNumber = 0; roundNumber <= ROUNDS; roundNumber += 1)
    for (const name of SYSTEMS) {
      const { commands, seconds, cpu } =
        name === 'http' ? await runHttp() : await child.ask('run', name satisfies CommandSystem, WRITERS, RUN_MS);
      const [rate, cost] = [commands / seconds, cpu / commands];
      console.error(`round ${roundNumber}, ${name}: ${round(rate)} commands/s, ${round(cost, 1)} us CPU each`);
      if (roundNumber === 0) continue;
      rates[name].push(rate);
      costs[name].push(cost);
    }
} finally {
  agent.destroy();
  await server.dispose();
  await child.end();
  rmSync(folder, { recursive: true, force: true });
}

const rows = SYSTEMS.map((name, i) => {
  const before = SYSTEMS[i - 1];
  const part = costs[name].map((cost, at) => cost - (before === undefined ? 0 : (costs[before][at] ?? 0)));
  const ratio = rates[name].map((rate, at) => rate / (rates.decided[at] ?? rate));
  return [
    LABELS[name],
    round(median(rates[name])),
    round(median(ratio), 2),
    round(median(costs[name]), 1),
    round(median(part), 1),
  ];
});
console.log(`command: ${WRITERS} writers, ${ROUNDS} rounds of ${RUN_MS / 1_000} s, ${machineLine()}\n`);
console.log(table(['', 'commands/s', 'ratio to the first', 'CPU a command, us', 'of it this part, us'], rows));
