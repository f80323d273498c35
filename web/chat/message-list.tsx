/** The messages of the room on display, then those still on their way. Keeps to the newest unless the reader scrolled up. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { JSX, TargetedEvent } from 'preact';
import { MessageBubble, PendingBubble } from './bubble.tsx';
import type { Side } from './side.ts';

/** Nearer to the end than this, the list follows new messages. */
const FOLLOW_PX = 80;
/** Nearer to the beginning than this, older messages are asked for. */
const OLDER_PX = 40;

export function MessageList({ side }: { side: Side }): JSX.Element {
  const { view } = side;
  const list = useRef<HTMLDivElement>(null);
  const before = useRef({ room: '', first: -1, height: 0, following: true });
  const messages = view.transcript.messages;
  const posts = [...view.posts.values()];
  const first = messages[0]?.seq ?? -1;

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
          {messages.length + posts.length === 0 ? (
            <li class="empty">{view.caughtUp ? 'No messages yet. Say hello.' : 'Reading the conversation…'}</li>
          ) : null}
          {messages.map(message => (
            <MessageBubble key={message.seq} message={message} side={side} />
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
            {side.name === 'visitor' ? 'The agent' : 'The visitor'} is typing
          </>
        ) : null}
      </p>
    </div>
  );
}
