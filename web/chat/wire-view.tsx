/** Frames and revisions as they pass, newest first. A frame opens to show its text. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { passed } from './said.ts';
import type { SideName, WireEntry, WireLog } from './wire-log.ts';

type Filter = 'both' | SideName;
const FILTERS: readonly { readonly filter: Filter; readonly label: string }[] = [
  { filter: 'both', label: 'Both' },
  { filter: 'visitor', label: 'Visitor' },
  { filter: 'agent', label: 'Agent' },
];

const ARROWS = { in: '↓', out: '↑', mark: '•' } as const;
const DIRECTIONS = { in: 'received', out: 'sent', mark: 'noted' } as const;
const encoder = new TextEncoder();

function size(text: string): string {
  const bytes = encoder.encode(text).length;
  return bytes < 1_000 ? `${String(bytes)} B` : `${(bytes / 1_000).toFixed(1)} kB`;
}

/** `explained`: its remark is shown without opening it. */
function Entry({ entry, explained }: { entry: WireEntry; explained: boolean }): JSX.Element {
  const line = (
    <>
      <span class={`who ${entry.side}`}>{entry.side}</span>
      <span class={`arrow ${entry.direction}`} title={DIRECTIONS[entry.direction]}>
        {ARROWS[entry.direction]}
      </span>
      <span class="op">{entry.op}</span>
      <span class="summary">{entry.summary}</span>
      {entry.text === '' ? null : <span class="size">{size(entry.text)}</span>}
      {explained ? <span class="remark">{entry.remark}</span> : null}
    </>
  );
  if (entry.direction === 'mark') {
    return (
      <li class={`entry ${entry.tone}`}>
        <div class="line">{line}</div>
      </li>
    );
  }
  return (
    <li class={`entry ${entry.tone}`}>
      <details>
        <summary class="line">{line}</summary>
        <p class="when">
          {passed(entry.at)}, {DIRECTIONS[entry.direction]} by the {entry.side}
        </p>
        {entry.remark === undefined || explained ? null : <p class="remark">{entry.remark}</p>}
        <pre tabIndex={0}>{entry.text}</pre>
      </details>
    </li>
  );
}

export function WireView({ wire }: { wire: WireLog }): JSX.Element {
  const [filter, setFilter] = useState<Filter>('both');
  const entries = filter === 'both' ? wire.entries : wire.entries.filter(({ side }) => side === filter);
  // The newest of its kind explains itself; all of them, opened, do.
  const explained = entries.find(({ remark }) => remark !== undefined)?.number;
  return (
    <section class="panel wire" aria-label="Wire">
      <header class="panel-head">
        <h2>On the wire</h2>
        <div class="panel-actions segmented" role="group" aria-label="Whose frames">
          {FILTERS.map(({ filter: name, label }) => (
            <button
              key={name}
              type="button"
              aria-pressed={filter === name}
              onClick={() => {
                setFilter(name);
              }}
            >
              {label}
            </button>
          ))}
        </div>
      </header>
      <ul class="legend" aria-label="Colours of the revisions">
        <li>
          <i class="live" />
          live
        </li>
        <li>
          <i class="resumed" />
          on resume
        </li>
        <li>
          <i class="backlog" />
          from the log
        </li>
        <li>
          <i class="hidden" />
          hidden from the visitor
        </li>
        <li>
          <i class="missing" />
          not here yet
        </li>
      </ul>
      <ol class="entries" tabIndex={0} aria-label="Frames, newest first">
        {entries.map(entry => (
          <Entry key={entry.number} entry={entry} explained={entry.number === explained} />
        ))}
      </ol>
    </section>
  );
}
