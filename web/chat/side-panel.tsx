/** One person's half of the page: their connection and what it has seen, the conversation, and where they write. */
import type { JSX } from 'preact';
import { Composer } from './composer.tsx';
import { ConversationBar } from './conversation-bar.tsx';
import { MessageList } from './message-list.tsx';
import { RevisionStrip } from './revision-strip.tsx';
import { RatingForm } from './rating-form.tsx';
import { describe } from './resume-words.ts';
import type { SampleConversation } from './sample-loader.tsx';
import { awaitsRating } from './room-state.ts';
import type { Side } from './side.ts';
import type { SideName } from './wire-log.ts';

const TITLES: Readonly<Record<SideName, string>> = { visitor: 'Visitor', agent: 'Agent' };
/** "Cut for 5 s". */
const SHORT_CUT_MS = 5_000;

function stateLabel(side: Side): string {
  switch (side.state.phase) {
    case 'online':
      return 'Online';
    case 'connecting':
      return 'Connecting';
    case 'waiting':
      return 'Reconnecting';
    case 'ended':
      return 'Refused';
    case 'closed':
      return side.backAt === undefined ? 'Cut' : 'Cut for a moment';
  }
}

function ConnectionActions({ side }: { side: Side }): JSX.Element {
  const { phase } = side.state;
  if (phase === 'closed' || phase === 'waiting' || phase === 'ended') {
    return (
      <button
        type="button"
        class="button primary"
        onClick={() => {
          side.connect();
        }}
      >
        Reconnect
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        class="button danger"
        onClick={() => {
          side.cut();
        }}
      >
        Cut the connection
      </button>
      <button
        type="button"
        class="button"
        aria-label="Cut the connection for 5 seconds"
        onClick={() => {
          side.cut(SHORT_CUT_MS);
        }}
      >
        5 s
      </button>
    </>
  );
}

/** One line that is always there, so that nothing moves when it has something to say. */
function note(side: Side): { readonly text: string; readonly tone: string } {
  const { state, view } = side;
  if (view.problem !== undefined) return { text: `Refused: ${view.problem}.`, tone: 'bad' };
  if (view.closed !== undefined) return { text: `This room is closed to you: ${view.closed}.`, tone: 'bad' };
  if (state.phase === 'ended') return { text: `The server ${state.why}.`, tone: 'bad' };
  if (state.phase === 'waiting') return { text: 'Connection lost; coming back by itself.', tone: 'cut' };
  if (state.phase === 'closed') return { text: 'Cut. What you write waits here.', tone: 'cut' };
  const { lastResume } = view.coverage;
  if (lastResume?.upTo !== undefined) return { text: `Resumed ${describe(lastResume)}.`, tone: 'good' };
  if (!view.caughtUp) return { text: 'Reading the conversation…', tone: 'quiet' };
  if (view !== side.home) return { text: 'From the log. Scroll up for more.', tone: 'quiet' };
  return { text: 'Cut it, write on both sides, reconnect.', tone: 'quiet' };
}

function RoomPicker(props: { side: Side; sample: readonly SampleConversation[] }): JSX.Element | null {
  const { side, sample } = props;
  if (sample.length === 0) return null;
  return (
    <label class="picker">
      <span>Conversation</span>
      <select
        value={side.view.room}
        onChange={event => {
          side.show(event.currentTarget.value);
        }}
      >
        <option value={side.home.room}>This one, with the visitor</option>
        <optgroup label="Sample: Ubuntu support, 2004–2018">
          {sample.map(({ room, label }) => (
            <option key={room} value={room}>
              {label}
            </option>
          ))}
        </optgroup>
      </select>
    </label>
  );
}

function Attribution(): JSX.Element {
  return (
    <p class="attribution">
      Sample: J. K. Kummerfeld et al., “A Large-Scale Corpus for Conversation Disentanglement”, ACL 2019, from the
      public Ubuntu IRC logs; CC BY 4.0; changed: threads joined into conversations, roles derived, timestamps
      completed.
    </p>
  );
}

export function SidePanel(props: {
  name: SideName;
  side: Side | undefined;
  head: number;
  sample: readonly SampleConversation[];
}): JSX.Element {
  const { name, side } = props;
  if (side === undefined) {
    return (
      <section class={`panel ${name}`} aria-label={TITLES[name]}>
        <p class="lone">No token for the {name} was given.</p>
      </section>
    );
  }
  const { view } = side;
  const shared = view === side.home;
  const { text, tone } = note(side);
  return (
    <section class={`panel ${name}`} aria-label={TITLES[name]} data-phase={side.state.phase}>
      <header class="panel-head">
        <h2>
          {side.personName} <span class="role">{name}</span>
        </h2>
        <span class="state" role="status">
          {stateLabel(side)}
        </span>
        <div class="panel-actions">
          <ConnectionActions side={side} />
        </div>
      </header>
      <RevisionStrip
        coverage={view.coverage}
        from={view.followedFrom ?? 0}
        head={shared ? props.head : (view.coverage.upTo ?? -1)}
      />
      <p class={`note ${tone}`} role="status" title={text}>
        {text}
      </p>
      <RoomPicker side={side} sample={props.sample} />
      {view.knownWhole ? <ConversationBar side={side} /> : null}
      <MessageList key={view.room} side={side} />
      {shared ? null : <Attribution />}
      {name === 'visitor' && awaitsRating(view.transcript.state) ? <RatingForm side={side} /> : null}
      <Composer key={view.room} side={side} />
    </section>
  );
}
