/** What of projections is measured, by the projection's name: docs/operators/metrics.md lists them. */
import type { ProjectionStatus } from '../projections/projector.ts';
import type { LabelledReading } from '../telemetry/metrics.ts';

export function projectionReadings(status: () => readonly ProjectionStatus[]): readonly LabelledReading[] {
  const each = (read: (one: ProjectionStatus) => number) => () => status().map(one => [one.name, read(one)] as const);
  const gauge = (name: string, help: string, read: (one: ProjectionStatus) => number): LabelledReading => ({
    ...{ name: `verbatim_projection_${name}`, help, kind: 'gauge', label: 'projection', read: each(read) },
  });
  const counter = (name: string, help: string, read: (one: ProjectionStatus) => number): LabelledReading => ({
    ...{ name: `verbatim_projection_${name}_total`, help, kind: 'counter', label: 'projection', read: each(read) },
  });
  return [
    gauge('lag_events', 'Events of the log not folded yet, estimated; 0 when caught up.', one => one.lagEvents),
    gauge('lag_seconds', 'Age of the oldest event not folded yet; 0 when caught up.', one => one.lagSeconds),
    gauge('live', '1 while it is at the end of the log or close behind.', one => Number(one.state === 'live')),
    gauge('stopped', '1 where it has stopped for good; the log and /v1/projections say why.', one =>
      Number(one.state === 'stopped'),
    ),
    gauge('rebuilding', '1 while a generation is built beside the one that answers.', one => Number(one.rebuilding)),
    gauge('parked_documents', 'Documents that stand still: an event could not be folded.', one => one.parkedDocuments),
    gauge('generation', 'The generation that answers queries.', one => one.generation),
    counter('events', 'Events folded since the start.', one => one.eventsFolded),
    counter('batches', 'Batches committed since the start.', one => one.batches),
    counter('retries', 'Batches tried again because a store was away.', one => one.retries),
    counter('stale_commits', 'Commits refused because another process had projected.', one => one.staleCommits),
  ];
}
