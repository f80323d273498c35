/** A message being edited, in its own place. Enter saves, Escape leaves it as it was. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { TEXT_UNITS_MAX } from './composer.tsx';

export function EditForm(props: { text: string; onSave: (text: string) => void; onCancel: () => void }): JSX.Element {
  const [text, setText] = useState(props.text);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.form?.scrollIntoView({ block: 'nearest' });
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  const save = (): void => {
    if (text.trim() !== '') props.onSave(text);
  };
  return (
    <form
      class="edit"
      onSubmit={event => {
        event.preventDefault();
        save();
      }}
    >
      <textarea
        ref={field}
        aria-label="Edit the message"
        rows={2}
        maxLength={TEXT_UNITS_MAX}
        value={text}
        onInput={event => {
          setText(event.currentTarget.value);
        }}
        onKeyDown={event => {
          if (event.key === 'Escape') props.onCancel();
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            save();
          }
        }}
      />
      <div class="edit-actions">
        <button type="button" class="button small" onClick={props.onCancel}>
          Cancel
        </button>
        <button type="submit" class="button small primary">
          Save
        </button>
      </div>
    </form>
  );
}
