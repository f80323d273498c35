/** Where a person writes. Enter sends; while the connection is cut the message waits in the outbox. */
import { useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Side } from './side.ts';

/** The longest text of a message, in UTF-16 units. */
export const TEXT_UNITS_MAX = 10_000;
/** "Typing" is said again at most this often, and taken back this long after the last key. */
const TYPING_EVERY_MS = 2_500;
const TYPING_IDLE_MS = 3_500;
const LOST_ACK_CUT_MS = 2_000;

export function Composer({ side }: { side: Side }): JSX.Element {
  const [text, setText] = useState('');
  const typing = useRef<{ saidAt: number; idle: ReturnType<typeof setTimeout> | undefined }>({
    saidAt: 0,
    idle: undefined,
  });
  const ready = text.trim() !== '' && side.view.started && side.view.closed === undefined;

  const stopTyping = (): void => {
    clearTimeout(typing.current.idle);
    if (typing.current.saidAt > 0) side.typing(false);
    typing.current = { saidAt: 0, idle: undefined };
  };
  const keepTyping = (): void => {
    clearTimeout(typing.current.idle);
    if (Date.now() - typing.current.saidAt > TYPING_EVERY_MS) {
      typing.current.saidAt = Date.now();
      side.typing(true);
    }
    typing.current.idle = setTimeout(stopTyping, TYPING_IDLE_MS);
  };
  const submit = (send: (text: string) => void): void => {
    if (!ready) return;
    stopTyping();
    send(text);
    setText('');
  };
  const sendNow = (): void => {
    submit(written => {
      side.post(written);
    });
  };

  return (
    <form
      class="composer"
      onSubmit={event => {
        event.preventDefault();
        sendNow();
      }}
    >
      <textarea
        aria-label={`Message as the ${side.name}`}
        placeholder={side.online ? 'Write a message' : 'Write: it waits for the connection'}
        rows={1}
        maxLength={TEXT_UNITS_MAX}
        value={text}
        onInput={event => {
          setText(event.currentTarget.value);
          keepTyping();
        }}
        onKeyDown={event => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          sendNow();
        }}
      />
      <div class="composer-actions">
        <button
          type="button"
          class="link"
          disabled={!ready || !side.online}
          title="Sends, and cuts the connection before the ack can arrive. It is sent again after the resume: the log answers duplicate: true."
          onClick={() => {
            submit(written => {
              side.postAndLoseTheAck(written, LOST_ACK_CUT_MS);
            });
          }}
        >
          Send, lose the ack
        </button>
        <button type="submit" class="button primary" disabled={!ready}>
          Send
        </button>
      </div>
    </form>
  );
}
