/**
 * What a node measures, for Prometheus. Counters and gauges are read from their owners when somebody asks; only the
 * time that appends and commands take is measured as it passes.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** From one write into the page cache to a disk that hangs, in seconds. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** One number that its owner knows: `counter` where it only grows. */
export interface Reading {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  readonly read: () => number;
}

/** One number for each of a few things that are known by name. */
export interface LabelledReading {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  readonly label: string;
  readonly read: () => readonly (readonly [label: string, value: number])[];
}

/** A registered metric as the reference page lists it. */
export interface MetricRow {
  readonly name: string;
  readonly kind: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export interface Metrics {
  /** Wraps what is awaited: its time, and the class of what it threw. */
  readonly timed: (what: 'append' | 'command') => <T>(run: () => Promise<T>) => Promise<T>;
  readonly add: (readings: readonly Reading[]) => void;
  readonly addLabelled: (readings: readonly LabelledReading[]) => void;
  readonly read: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Ours, in the order they were registered, without those of Node.js itself. */
  readonly list: () => readonly MetricRow[];
}

const OURS = 'verbatim_';

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const labelNames = ['outcome'] as const;
  const seconds = {
    append: new Histogram({
      ...{ registers, labelNames, buckets: SECONDS, name: 'verbatim_append_seconds' },
      help: 'Appends to the event log, from being handed over to being durable.',
    }),
    command: new Histogram({
      ...{ registers, labelNames, buckets: SECONDS, name: 'verbatim_command_seconds' },
      help: 'Commands, from being handed over to their answer.',
    }),
  };
  return {
    timed: what => async run => {
      const stop = seconds[what].startTimer();
      try {
        const result = await run();
        stop({ outcome: 'ok' });
        return result;
      } catch (error) {
        stop({ outcome: error instanceof Error ? error.name : 'unknown' });
        throw error;
      }
    },
    add: readings => {
      for (const { name, help, kind, read } of readings)
        if (kind === 'gauge')
          new Gauge({
            ...{ registers, name, help },
            collect() {
              this.set(read());
            },
          });
        else
          new Counter({
            ...{ registers, name, help },
            collect() {
              this.reset();
              this.inc(read());
            },
          });
    },
    addLabelled: readings => {
      for (const { name, help, kind, label, read } of readings) {
        const named = { registers, name, help, labelNames: [label] };
        if (kind === 'gauge')
          new Gauge({
            ...named,
            collect() {
              this.reset();
              for (const [labelled, value] of read()) this.set({ [label]: labelled }, value);
            },
          });
        else
          new Counter({
            ...named,
            collect() {
              this.reset();
              for (const [labelled, value] of read()) this.inc({ [label]: labelled }, value);
            },
          });
      }
    },
    list: () =>
      registry
        .getMetricsAsArray()
        .filter(({ name }) => name.startsWith(OURS))
        .map(metric => {
          const { name, help, type, labelNames = [] } = metric as typeof metric & { labelNames?: string[] };
          return { name, help, kind: String(type), labels: labelNames };
        }),
    read: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
