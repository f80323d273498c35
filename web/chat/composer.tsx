/**
 * Where a person writes: a message, or as staff a note that no visitor is sent. Enter sends; while the connection is cut,
 * what was written waits in the outbox.
 */
import { useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Writing } from './room-view.ts';
import type { Side } from './side.ts';

/** The longest text of a message, in UTF-16 units. */
export const TEXT_UNITS_MAX = 10_000;
/** "Typing" is said again at most this often, and taken back this long after the last key. */
const TYPING_EVERY_MS = 2_500;
const TYPING_IDLE_MS = 3_500;
const LOST_ACK_CUT_MS = 2_000;

/** Says that this side is typing, and takes it back. */
function useTyping(side: Side): { readonly keepTyping: () => void; readonly stopTyping: () => void } {
  const said = useRef<{ atMs: number; idle: ReturnType<typeof setTimeout> | undefined }>({ atMs: 0, idle: undefined });
  const stopTyping = (): void => {
    clearTimeout(said.current.idle);
    if (said.current.atMs > 0) side.typing(false);
    said.current = { atMs: 0, idle: undefined };
  };
  const keepTyping = (): void => {
    clearTimeout(said.current.idle);
    if (Date.now() - said.current.atMs > TYPING_EVERY_MS) {
      said.current.atMs = Date.now();
      side.typing(true);
    }
    said.current.idle = setTimeout(stopTyping, TYPING_IDLE_MS);
  };
  return { keepTyping, stopTyping };
}

const KINDS: readonly { readonly kind: Writing; readonly label: string }[] = [
  { kind: 'message', label: 'Reply' },
  { kind: 'note', label: 'Note' },
];

function KindSwitch(props: { kind: Writing; onSwitch: (kind: Writing) => void }): JSX.Element {
  return (
    <div class="segmented" role="group" aria-label="What to write">
      {KINDS.map(({ kind, label }) => (
        <button
          key={kind}
          type="button"
          aria-pressed={props.kind === kind}
          onClick={() => {
            props.onSwitch(kind);
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function placeholder(side: Side, kind: Writing): string {
  if (side.view.transcript.state.status === 'closed') return 'This conversation is closed';
  if (!side.online) return 'Write: it waits for the connection';
  return kind === 'note' ? 'A note: the visitor is never sent it' : 'Write a message';
}

export function Composer({ side }: { side: Side }): JSX.Element {
  const [text, setText] = useState('');
  const [kind, setKind] = useState<Writing>('message');
  const { view } = side;
  const open = view.closed === undefined && view.transcript.state.status !== 'closed';
  const ready = text.trim() !== '' && view.started && open;

  const { keepTyping, stopTyping } = useTyping(side);
  const submit = (send: (text: string) => void): void => {
    if (!ready) return;
    stopTyping();
    send(text);
    setText('');
  };
  const sendNow = (): void => {
    submit(written => {
      side.commands.write(kind, written);
    });
  };

  return (
    <form
      class={kind === 'note' ? 'composer writes-note' : 'composer'}
      onSubmit={event => {
        event.preventDefault();
        sendNow();
      }}
    >
      <textarea
        aria-label={`${kind === 'note' ? 'Note' : 'Message'} as the ${side.name}`}
        placeholder={placeholder(side, kind)}
        disabled={!open}
        rows={1}
        maxLength={TEXT_UNITS_MAX}
        value={text}
        onInput={event => {
          setText(event.currentTarget.value);
          // Of a note the visitor is not even told that it is being written.
          if (kind === 'message') keepTyping();
        }}
        onKeyDown={event => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          sendNow();
        }}
      />
      <div class="composer-actions">
        {side.name === 'agent' ? (
          <KindSwitch
            kind={kind}
            onSwitch={next => {
              stopTyping();
              setKind(next);
            }}
          />
        ) : null}
        <button
          type="button"
          class="link"
          disabled={!ready || !side.online}
          title="Sends, and cuts the connection before the ack can arrive. It is sent again after the resume: the log answers duplicate: true."
          onClick={() => {
            submit(written => {
              side.writeAndLoseTheAck(kind, written, LOST_ACK_CUT_MS);
            });
          }}
        >
          Send, lose the ack
        </button>
        <button type="submit" class="button primary" disabled={!ready}>
          {kind === 'note' ? 'Add note' : 'Send'}
        </button>
      </div>
    </form>
  );
}
