/** One message: its words as text and never as mark-up, its revision, what became of it, and what its author may do. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { EditForm } from './edit-form.tsx';
import { nameOf } from './people.ts';
import { reachOf } from './room-state.ts';
import type { AckSeen } from './room-view.ts';
import { said } from './said.ts';
import type { Side } from './side.ts';
import type { Message } from './transcript.ts';

const ERASED_TITLE = 'The key that sealed these words was destroyed. The revision stays; nobody can read them again.';
const REACH_WORDS = { read: 'Read', delivered: 'Delivered' } as const;

/** Said where the one who speaks changes. */
function Author({ message }: { message: Message }): JSX.Element {
  const { importedName, author, role } = message;
  const name = importedName === undefined ? nameOf(author, role) : (importedName ?? 'Name erased');
  return (
    <span class="author">
      {name} <span class="role">{role}</span>
    </span>
  );
}

function Fate({ message, acked }: { message: Message; acked: AckSeen | undefined }): JSX.Element {
  return (
    <>
      <span class="rev" title="The revision of this message in its room">
        {acked ? `✓ acked at rev ${String(message.rev)}` : `rev ${String(message.rev)}`}
      </span>
      {message.editedAtRev === undefined ? null : <span>edited at rev {message.editedAtRev}</span>}
      {message.redactedAtRev === undefined ? null : <span>redacted at rev {message.redactedAtRev}</span>}
      {acked?.duplicate ? (
        <span class="badge" title="Sent again after the cut; the log had it already and appended nothing">
          duplicate: true
        </span>
      ) : null}
    </>
  );
}

/** How far an own message has come with the other side; nothing where it is only in the log. */
function ReachMark({ message, side }: { message: Message; side: Side }): JSX.Element | null {
  const reach = reachOf(side.view.transcript.state, message.seq, message.author);
  return reach === undefined ? null : <span class={`reach ${reach}`}>{REACH_WORDS[reach]}</span>;
}

/** A redaction cannot be taken back, so it is asked for twice, in its own place. */
function OwnActions(props: { onEdit: () => void; onRedact: () => void }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asking) keep.current?.focus();
  }, [asking]);
  if (asking) {
    return (
      <span class="message-actions asking" role="group" aria-label="Redact this message?">
        Redact?
        <button type="button" class="link danger" onClick={props.onRedact}>
          Yes
        </button>
        <button
          type="button"
          class="link"
          ref={keep}
          onClick={() => {
            setAsking(false);
          }}
        >
          Keep
        </button>
      </span>
    );
  }
  return (
    <span class="message-actions">
      <button type="button" class="link" onClick={props.onEdit}>
        Edit
      </button>
      <button
        type="button"
        class="link"
        onClick={() => {
          setAsking(true);
        }}
      >
        Redact
      </button>
    </span>
  );
}

/** Null words were erased. */
function Words({ message, changedTo }: { message: Message; changedTo: string | undefined }): JSX.Element {
  if (message.redactedAtRev !== undefined) return <p class="bubble gone">Redacted</p>;
  if (message.text === null)
    return (
      <p class="bubble gone" title={ERASED_TITLE}>
        Erased
      </p>
    );
  return (
    <p class="bubble" dir="auto">
      {changedTo ?? message.text}
    </p>
  );
}

export function MessageBubble(props: { message: Message; named: boolean; side: Side }): JSX.Element {
  const { message, side } = props;
  const [editing, setEditing] = useState(false);
  const { view } = side;
  const own = message.author === side.sub;
  const change = view.changes.get(message.seq);
  const acked = message.commandId === undefined ? undefined : view.acks.get(message.commandId);
  const changing = change === undefined ? undefined : change.text === undefined ? 'redacting…' : 'saving…';
  const changeable = own && message.redactedAtRev === undefined && message.text !== null;
  // Watched until it was on the screen.
  const unread = !own && (view.transcript.state.receipts.get(side.sub)?.read ?? -1) < message.seq;

  if (editing && changeable) {
    return (
      <li class="message own">
        <EditForm
          text={change?.text ?? message.text}
          onCancel={() => {
            setEditing(false);
          }}
          onSave={text => {
            setEditing(false);
            if (text !== message.text) side.commands.edit(message.seq, text);
          }}
        />
      </li>
    );
  }
  return (
    <li
      class={own ? 'message own' : 'message'}
      data-role={message.role}
      data-unread-seq={unread ? message.seq : undefined}
    >
      {props.named ? <Author message={message} /> : null}
      <Words message={message} changedTo={change?.text} />
      <p class="meta">
        <time dateTime={message.at}>{said(message.at)}</time>
        <Fate message={message} acked={acked} />
        {changing === undefined ? null : <span class="on-its-way">{changing}</span>}
        {own ? <ReachMark message={message} side={side} /> : null}
        {changeable && changing === undefined ? (
          <OwnActions
            onEdit={() => {
              setEditing(true);
            }}
            onRedact={() => {
              side.commands.redact(message.seq);
            }}
          />
        ) : null}
      </p>
    </li>
  );
}
