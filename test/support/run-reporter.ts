/**
 * Ends a run by saying which engines and outside tools its tests really used and which they did not, each with its
 * count, and writes the run's totals and times to COUNTS_FILE (JSON) where that is set: .ci/run sums those.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import type { ExternalTool } from './external-tools.ts';
import { findChromium, findKurrentDbClient, findPython, findSchemathesis, findSecantusDb } from './external-tools.ts';
import { UWEBSOCKETS } from './socket-adapters.ts';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Part {
  readonly name: string;
  /** Paths of the test files that drive it. */
  readonly files: RegExp;
  /** What is known of it besides the counts. */
  readonly state: () => string;
}

const MONGODB_FILES = /mongodb(-[a-z]+)*\.test|\.mongodb(-[a-z]+)*\.|mongodb[a-z-]*\.chaos/;

const PARTS: readonly Part[] = [
  {
    name: 'event log, embedded',
    files: /event-store\/|\.embedded\.|\.chaos\.|cli\/|readme\.test|page\.browser/,
    state: () => 'built in',
  },
  {
    name: 'event log, the EventStoreDB adapter',
    files: /eventstoredb(-[a-z]+)?\.test|\.eventstoredb\.|random-run|(reconnects|node-kills)\.chaos/,
    state: () => 'over gRPC to a node of ours',
  },
  {
    name: 'event log, a real EventStoreDB',
    // One file runs on both: what ran on the real one is known by the variable alone.
    files: process.env.EVENTSTORE_URL ? /event-store\/eventstoredb\.test/ : /(?!)/,
    state: () => (process.env.EVENTSTORE_URL ? 'the one EVENTSTORE_URL names' : 'EVENTSTORE_URL names none'),
  },
  {
    name: 'read store, embedded',
    files: /read-store\/embedded|projections\/(?!.*mongodb)|queries\/|cli\/|readme\.test/,
    state: () => 'built in',
  },
  {
    name: 'read store, MongoDB (SecantusDB)',
    files: process.env.MONGODB_URL ? /(?!)/ : MONGODB_FILES,
    state: () => (process.env.MONGODB_URL ? 'MONGODB_URL names a real one instead' : described(findSecantusDb())),
  },
  {
    name: 'read store, a real MongoDB',
    // The same files run on either: what ran on the real one is known by the variable alone.
    files: process.env.MONGODB_URL ? MONGODB_FILES : /(?!)/,
    state: () => (process.env.MONGODB_URL ? 'the one MONGODB_URL names' : 'MONGODB_URL names none'),
  },
  {
    name: 'sockets, uWebSockets',
    files: /sockets\.uwebsockets\.test/,
    state: () => (UWEBSOCKETS.absent === undefined ? 'built in' : `ABSENT on Node ${process.versions.node}`),
  },
  { name: 'sockets, ws', files: /sockets\.ws\.test/, state: () => 'built in' },
  {
    name: 'Python websockets',
    files: /(resume|node-kills)\.chaos|readme\/readme\.test|clients\/clients|documents\/examples/,
    state: () => described(findPython()),
  },
  { name: 'kurrentdbclient', files: /kurrentdb-client/, state: () => described(findKurrentDbClient()) },
  { name: 'Schemathesis', files: /schemathesis\.chaos/, state: () => described(findSchemathesis()) },
  { name: 'Chromium', files: /test\/web\/.*browser|clients\/clients/, state: () => described(findChromium()) },
];

function countTests(modules: readonly TestModule[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    let failures = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') failures += 1;
      else counts.skipped += 1;
    }
    // A file that cannot be loaded, or whose hook failed, has no failed test of its own and still is a failure.
    counts.failed += failures === 0 && module.state() === 'failed' ? 1 : failures;
  }
  return counts;
}

function describeParts(modules: readonly TestModule[]): string[] {
  return PARTS.map(({ name, files, state }) => {
    const counts = countTests(modules.filter(module => files.test(relative(process.cwd(), module.moduleId))));
    const total = counts.passed + counts.failed + counts.skipped;
    const verdict = total === 0 ? 'NOT RUN' : counts.passed + counts.failed === 0 ? 'SKIPPED' : 'ran';
    const numbers = total === 0 ? '' : ` (${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped)`;
    return `  ${verdict.padEnd(8)} ${name}: ${state()}${numbers}`;
  });
}

/** What each area (a folder of test/) took, its files' times added up, with its counts. */
function areasOf(modules: readonly TestModule[]): Record<string, Counts & { seconds: number }> {
  const areaOf = (module: TestModule): string => relative(process.cwd(), module.moduleId).split('/')[1] ?? '';
  const areas = [...new Set(modules.map(areaOf))].sort();
  return Object.fromEntries(
    areas.map(area => {
      const ofArea = modules.filter(module => areaOf(module) === area);
      const seconds = ofArea.reduce((sum, module) => {
        const { duration, collectDuration, setupDuration } = module.diagnostic();
        return sum + (duration + collectDuration + setupDuration) / 1_000;
      }, 0);
      return [area, { ...countTests(ofArea), seconds: Math.round(seconds * 10) / 10 }];
    }),
  );
}

function described(tool: ExternalTool): string {
  return tool.found ? `${tool.version} at ${tool.path}` : `ABSENT, ${tool.why}`;
}

export default class RunReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = countTests(modules);
    counts.failed += errors.length;
    console.log(`\n Engines and outside tools of this run\n${describeParts(modules).join('\n')}\n`);
    const file = process.env.COUNTS_FILE;
    if (file) writeFileSync(file, `${JSON.stringify({ ...counts, areas: areasOf(modules) })}\n`);
  }
}
