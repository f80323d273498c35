/** What was said in the room on display, then what is still on its way. Keeps to the newest unless the reader scrolled up. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { JSX, TargetedEvent } from 'preact';
import { MilestoneLine, NoteAside } from './aside.tsx';
import { MessageBubble } from './bubble.tsx';
import { PendingBubble } from './pending-bubble.tsx';
import type { Side } from './side.ts';
import type { Entry } from './transcript.ts';
import { useUnreadWatch } from './unread-watch.ts';

/** Nearer to the end than this, the list follows new messages. */
const FOLLOW_PX = 80;
/** Nearer to the beginning than this, older messages are asked for. */
const OLDER_PX = 40;

/** A message names its author where it is another's, and the one before it is not the same person's. */
function Row(props: { entry: Entry; before: Entry | undefined; side: Side }): JSX.Element {
  const { entry, before, side } = props;
  switch (entry.kind) {
    case 'note':
      return <NoteAside note={entry} />;
    case 'milestone':
      return <MilestoneLine milestone={entry} />;
    case 'message': {
      const goesOn = before?.kind === 'message' && before.author === entry.author;
      return <MessageBubble message={entry} named={entry.author !== side.sub && !goesOn} side={side} />;
    }
  }
}

export function MessageList({ side }: { side: Side }): JSX.Element {
  const { view } = side;
  const list = useRef<HTMLDivElement>(null);
  const before = useRef({ room: '', first: -1, height: 0, following: true });
  const { entries } = view.transcript;
  const posts = [...view.posts.values()];
  const first = entries[0]?.rev ?? -1;
  useUnreadWatch(list, view);

  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    const last = before.current;
    if (last.room !== view.room || last.following) {
      element.scrollTop = element.scrollHeight;
    } else if (last.first !== first) {
      // Older messages came in above: what was being read stays where it was.
      element.scrollTop += element.scrollHeight - last.height;
    }
    before.current = {
      room: view.room,
      first,
      height: element.scrollHeight,
      following: last.room !== view.room || last.following,
    };
  });

  const scrolled = (event: TargetedEvent<HTMLDivElement>): void => {
    const element = event.currentTarget;
    const following = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOW_PX;
    before.current = { ...before.current, following, height: element.scrollHeight };
    if (element.scrollTop < OLDER_PX && !following) side.older();
  };

  return (
    <div class="talk">
      <div class="messages" ref={list} role="log" aria-label="Messages" tabIndex={0} onScroll={scrolled}>
        <ol>
          {view.hasOlder ? (
            <li class="older">
              <button
                type="button"
                class="button small"
                disabled={view.loadingHistory || !side.online}
                onClick={() => {
                  before.current.following = false;
                  side.older();
                }}
              >
                {view.loadingHistory ? 'Reading…' : 'Earlier messages'}
              </button>
            </li>
          ) : null}
          {entries.length + posts.length === 0 ? (
            <li class="empty">{view.caughtUp ? 'No messages yet. Say hello.' : 'Reading the conversation…'}</li>
          ) : null}
          {entries.map((entry, index) => (
            <Row key={entry.rev} entry={entry} before={entries[index - 1]} side={side} />
          ))}
          {posts.map(post => (
            <PendingBubble key={post.id} post={post} side={side} />
          ))}
        </ol>
      </div>
      <p class={view.otherTyping ? 'typing on' : 'typing'} aria-live="polite">
        {view.otherTyping ? (
          <>
            <span class="dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {view.otherTyping} is typing
          </>
        ) : null}
      </p>
    </div>
  );
}
