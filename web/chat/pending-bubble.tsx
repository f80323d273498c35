/** What was written and is not yet seen in the room: it waits, travels, or was refused. */
import type { JSX } from 'preact';
import type { PendingPost } from './room-view.ts';
import type { Side } from './side.ts';

const ON_ITS_WAY: Readonly<Record<PendingPost['state'], string>> = {
  queued: 'waiting for the connection',
  sending: 'sending…',
  acked: '✓ acked',
  refused: 'not sent',
};

export function PendingBubble({ post, side }: { post: PendingPost; side: Side }): JSX.Element {
  return (
    <li class={`message own pending ${post.state}`}>
      <p class="bubble" dir="auto">
        {post.text}
      </p>
      <p class="meta">
        {post.kind === 'note' ? <span>a note</span> : null}
        <span class="on-its-way">
          {ON_ITS_WAY[post.state]}
          {post.why === undefined ? '' : `: ${post.why}`}
        </span>
        {post.state === 'refused' ? (
          <button
            type="button"
            class="link"
            onClick={() => {
              side.commands.discard(post.id);
            }}
          >
            Discard
          </button>
        ) : null}
      </p>
    </li>
  );
}
