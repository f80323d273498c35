/** One message: its words as text and never as mark-up, its revision, what became of it, and what its author may do. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { EditForm } from './edit-form.tsx';
import type { PendingPost, Receipt } from './room-view.ts';
import type { Side } from './side.ts';
import type { Message } from './transcript.ts';

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const DAY_MS = 24 * 60 * 60_000;

function said(at: string): string {
  const when = new Date(at);
  return (Date.now() - when.getTime() < DAY_MS ? time : dayAndTime).format(when);
}

function Author({ message }: { message: Message }): JSX.Element | null {
  if (message.name === undefined) return null;
  return (
    <span class="author">
      {message.name} <span class="role">{message.role}</span>
    </span>
  );
}

function Fate({ message, receipt }: { message: Message; receipt: Receipt | undefined }): JSX.Element {
  return (
    <>
      <span class="rev" title="The revision of this message in its room">
        {receipt ? `✓ acked at rev ${String(message.rev)}` : `rev ${String(message.rev)}`}
      </span>
      {message.editedAtRev === undefined ? null : <span>edited at rev {message.editedAtRev}</span>}
      {message.redactedAtRev === undefined ? null : <span>redacted at rev {message.redactedAtRev}</span>}
      {receipt?.duplicate ? (
        <span class="badge" title="Sent again after the cut; the log had it already and appended nothing">
          duplicate: true
        </span>
      ) : null}
    </>
  );
}

export function MessageBubble({ message, side }: { message: Message; side: Side }): JSX.Element {
  const [editing, setEditing] = useState(false);
  const { view } = side;
  const own = message.author === side.sub;
  const change = view.changes.get(message.seq);
  const redacted = message.redactedAtRev !== undefined;
  const receipt = message.commandId === undefined ? undefined : view.receipts.get(message.commandId);
  const changing = change === undefined ? undefined : change.text === undefined ? 'redacting…' : 'saving…';

  if (editing && !redacted) {
    return (
      <li class="message own">
        <EditForm
          text={change?.text ?? message.text}
          onCancel={() => {
            setEditing(false);
          }}
          onSave={text => {
            setEditing(false);
            if (text !== message.text) side.edit(message.seq, text);
          }}
        />
      </li>
    );
  }
  return (
    <li class={own ? 'message own' : 'message'} data-role={message.role}>
      <Author message={message} />
      <p class={redacted ? 'bubble redacted' : 'bubble'} dir="auto">
        {redacted ? 'Redacted by its author' : (change?.text ?? message.text)}
      </p>
      <p class="meta">
        <time dateTime={message.at}>{said(message.at)}</time>
        <Fate message={message} receipt={receipt} />
        {changing === undefined ? null : <span class="on-its-way">{changing}</span>}
        {own && !redacted && changing === undefined ? (
          <span class="message-actions">
            <button
              type="button"
              class="link"
              onClick={() => {
                setEditing(true);
              }}
            >
              Edit
            </button>
            <button
              type="button"
              class="link"
              onClick={() => {
                side.redact(message.seq);
              }}
            >
              Redact
            </button>
          </span>
        ) : null}
      </p>
    </li>
  );
}

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
        <span class="on-its-way">
          {ON_ITS_WAY[post.state]}
          {post.why === undefined ? '' : `: ${post.why}`}
        </span>
        {post.state === 'refused' ? (
          <button
            type="button"
            class="link"
            onClick={() => {
              side.discard(post.id);
            }}
          >
            Discard
          </button>
        ) : null}
      </p>
    </li>
  );
}
