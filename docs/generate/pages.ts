/** Every document that is written from the code, whole or between markers: `npm run docs` writes them, a test compares. */
import { readFileSync } from 'node:fs';
import { readings } from '../../src/cli/measures.ts';
import { projectionReadings } from '../../src/cli/projection-measures.ts';
import type { Measured } from '../../src/cli/measures.ts';
import { configMarkdown } from '../../src/config/listing.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import type { ErrorRow } from '../../src/errors.ts';
import { createAsyncApi } from '../../src/gateway/asyncapi.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { code, fillMarkers, table } from './markdown.ts';
import { protocolReference } from './protocol-reference.ts';

/** Of a server with the default settings. */
const GATEWAY_URL = 'ws://127.0.0.1:3001/v1/socket';

/** By path from the root of the repository: the page as it must be, made of the page as it is. */
export const PAGES: Readonly<Record<string, (page: string) => string>> = {
  'docs/asyncapi.json': () => `${JSON.stringify(createAsyncApi()(GATEWAY_URL), null, 2)}\n`,
  'docs/clients/python.md': page => fillMarkers(page, { client: embedded('examples/clients/room.py', 'python') }),
  'docs/clients/node.md': page => fillMarkers(page, { client: embedded('examples/clients/room.mjs', 'js') }),
  'docs/clients/browser.md': page => fillMarkers(page, { client: embedded('examples/clients/room.html', 'html') }),
  'docs/errors.md': page => fillMarkers(page, { codes: errorTable() }),
  'docs/operators/configuration.md': configMarkdown,
  'docs/operators/metrics.md': page => fillMarkers(page, { metrics: metricsTable() }),
  'docs/protocol.md': page => fillMarkers(page, protocolReference()),
};

function errorTable(): string {
  const rows = Object.entries(ERROR_CODES as Readonly<Record<string, ErrorRow>>).map(
    ([name, { meaning, retryable, httpStatus, frames, closeCode }]) => [
      code(name),
      meaning,
      retryable ? 'yes' : 'no',
      String(httpStatus),
      frames.map(code).join(', ') || '–',
      closeCode === undefined ? '–' : String(closeCode),
    ],
  );
  return table(['code', 'meaning', 'retryable', 'HTTP status', 'WebSocket frame', 'close code'], rows);
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_seconds$/, 'seconds'],
  [/_bytes(_total)?$/, 'bytes'],
  [/_ms(_total)?$/, 'ms'],
  [/_connected$/, '0 or 1'],
];

function metricsTable(): string {
  const metrics = createMetrics();
  // To be listed a metric is not read: whatever owns it need not be there.
  metrics.addLabelled(projectionReadings(() => []));
  metrics.add(readings(new Proxy({}, { get: () => () => undefined }) as Measured));
  const rows = metrics
    .list()
    .map(({ name, kind, labels, help }) => [
      code(name),
      kind,
      labels.map(code).join(', ') || '–',
      UNITS.find(([ending]) => ending.test(name))?.[1] ?? 'count',
      help,
    ]);
  return table(['metric', 'type', 'labels', 'unit', 'what'], rows);
}

/** A file of examples/ as a code block, with its path above it. */
function embedded(path: string, language: string): string {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  return `\`\`\`${language}\n${text}\`\`\``;
}
