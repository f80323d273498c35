/** The room's revisions as this side has seen them, newest at the right, and what the page's own check counted. */
import type { JSX } from 'preact';
import type { Arrival, Coverage } from '../protocol/coverage.ts';

/** Fewer than `Coverage` remembers, so that a cell without an arrival is one that never came. */
const CELLS = 48;

const MEANINGS: Readonly<Record<Arrival | 'missing', string>> = {
  backlog: 'from the log, on opening',
  live: 'as it happened',
  resumed: 'on resume',
  hidden: 'covered, not for this side to see',
  missing: 'not here yet',
};

/** `from`: the first revision this side follows; `head`: the last that either side knows of. */
export function RevisionStrip(props: { coverage: Coverage; from: number; head: number }): JSX.Element {
  const { coverage, head } = props;
  const first = Math.max(props.from, head - CELLS + 1);
  const cells = Array.from({ length: Math.max(0, head - first + 1) }, (_, index) => {
    const rev = first + index;
    const how: Arrival | 'missing' = coverage.arrivals.get(rev) ?? 'missing';
    return { rev, how };
  });
  const missing = cells.filter(({ how }) => how === 'missing').length;
  const upTo = coverage.upTo ?? -1;
  return (
    <div class="strip">
      <div
        class="cells"
        role="img"
        aria-label={
          upTo < 0
            ? 'No revisions yet'
            : `Revisions up to ${String(upTo)}${missing > 0 ? `, ${String(missing)} not here yet` : ''}`
        }
      >
        {cells.map(({ rev, how }) => (
          <i key={rev} class={how} title={`rev ${String(rev)}: ${MEANINGS[how]}`} />
        ))}
      </div>
      <dl class="counts">
        <div>
          <dt>rev</dt>
          <dd data-count="rev">{upTo < 0 ? '–' : upTo}</dd>
        </div>
        <div class={coverage.gaps > 0 ? 'bad' : ''}>
          <dt>gaps</dt>
          <dd data-count="gaps">{coverage.gaps}</dd>
        </div>
        <div class={coverage.duplicates > 0 ? 'bad' : ''}>
          <dt>duplicates</dt>
          <dd data-count="duplicates">{coverage.duplicates}</dd>
        </div>
      </dl>
    </div>
  );
}
