/** The whole page while people talk: on a wide screen everything side by side, on a phone a tab at a time. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { SampleLoader } from './sample-loader.tsx';
import type { SampleConversation } from './sample-loader.tsx';
import { SidePanel } from './side-panel.tsx';
import type { Talk } from './talk.ts';
import { WireView } from './wire-view.tsx';

type Tab = 'visitor' | 'agent' | 'wire';
const TABS: readonly { readonly tab: Tab; readonly label: string }[] = [
  { tab: 'visitor', label: 'Visitor' },
  { tab: 'agent', label: 'Agent' },
  { tab: 'wire', label: 'Wire' },
];

function Brand(): JSX.Element {
  return (
    <div class="brand">
      <span class="logo" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <div>
        <h1>Verbatim</h1>
        <p>
          Cut a connection, keep talking, come back: nothing lost, nothing twice. For programs: <a href="/docs">HTTP</a>
          , <a href="/asyncapi.json">WebSocket</a>.
        </p>
      </div>
    </div>
  );
}

export function TalkView(props: { talk: Talk; ownTokens: boolean; onNewConversation: () => void }): JSX.Element {
  const { talk } = props;
  const [tab, setTab] = useState<Tab>('visitor');
  const [sample, setSample] = useState<readonly SampleConversation[]>([]);
  const head = Math.max(-1, ...talk.sides.map(side => side.home.coverage.upTo ?? -1));

  return (
    <div class="page" data-tab={tab}>
      <header class="top">
        <Brand />
        <div class="top-actions">
          {props.ownTokens ? null : (
            <>
              <SampleLoader
                onLoaded={conversations => {
                  setSample(conversations);
                  const [first] = conversations;
                  if (first) talk.agent?.show(first.room);
                  setTab('agent');
                }}
              />
              <button type="button" class="button" onClick={props.onNewConversation}>
                New<span class="wide-only"> conversation</span>
              </button>
            </>
          )}
        </div>
      </header>
      <nav class="tabs" aria-label="What to show">
        {TABS.map(({ tab: name, label }) => (
          <button
            key={name}
            type="button"
            aria-pressed={tab === name}
            onClick={() => {
              setTab(name);
            }}
          >
            {label}
            {name !== 'wire' && talk[name]?.online === false ? (
              <span class="offline-dot" title="not connected" />
            ) : null}
          </button>
        ))}
      </nav>
      <main class="columns">
        <SidePanel name="visitor" side={talk.visitor} head={head} sample={[]} />
        <SidePanel name="agent" side={talk.agent} head={head} sample={sample} />
        <WireView wire={talk.wire} />
      </main>
    </div>
  );
}
