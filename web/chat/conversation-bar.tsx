/** What the conversation has come to, as far as this side may know it, and what staff can do about it. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Status } from './room-state.ts';
import type { Side } from './side.ts';

const STATUS_WORDS: Readonly<Record<Status, string>> = {
  open: 'Open',
  snoozed: 'Snoozed',
  resolved: 'Resolved',
  closed: 'Closed',
};
const PRIORITIES = ['low', 'normal', 'high', 'urgent'];
const TAG_UNITS_MAX = 64;

function Tag({ tag, side }: { tag: string; side: Side }): JSX.Element {
  return (
    <li class="tag">
      <span>{tag}</span>
      <button
        type="button"
        aria-label={`Remove the tag ${tag}`}
        onClick={() => {
          side.commands.removeTag(tag);
        }}
      >
        ×
      </button>
    </li>
  );
}

function NewTag({ side }: { side: Side }): JSX.Element {
  const [typed, setTyped] = useState<string>();
  if (typed === undefined) {
    return (
      <button
        type="button"
        class="link"
        aria-label="Add a tag"
        onClick={() => {
          setTyped('');
        }}
      >
        + tag
      </button>
    );
  }
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        side.commands.addTag(typed);
        setTyped(undefined);
      }}
    >
      <input
        class="new-tag"
        aria-label="New tag"
        placeholder="a-tag"
        enterkeyhint="done"
        maxLength={TAG_UNITS_MAX}
        value={typed}
        ref={field => {
          field?.focus();
        }}
        onInput={event => {
          setTyped(event.currentTarget.value);
        }}
        onBlur={() => {
          setTyped(undefined);
        }}
        onKeyDown={event => {
          if (event.key === 'Escape') setTyped(undefined);
        }}
      />
    </form>
  );
}

function Priority({ side, priority }: { side: Side; priority: string }): JSX.Element {
  return (
    <select
      aria-label="Priority"
      class={`priority ${priority}`}
      value={priority}
      onChange={event => {
        side.commands.setPriority(event.currentTarget.value);
      }}
    >
      {PRIORITIES.map(name => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

function StatusAction({ side, status }: { side: Side; status: Status }): JSX.Element | null {
  if (status === 'closed') return null;
  const resolved = status === 'resolved';
  return (
    <button
      type="button"
      class="button small"
      disabled={side.view.acts.size > 0}
      onClick={() => {
        if (resolved) side.commands.reopen();
        else side.commands.resolve();
      }}
    >
      {resolved ? 'Reopen' : 'Resolve'}
    </button>
  );
}

export function ConversationBar({ side }: { side: Side }): JSX.Element {
  const { status, tags, priority } = side.view.transcript.state;
  const staff = side.name === 'agent';
  return (
    <div class="conversation-bar" role="group" aria-label="The conversation">
      <span class={`status ${status}`}>{STATUS_WORDS[status]}</span>
      {staff ? (
        <>
          <Priority side={side} priority={priority} />
          <ul class={tags.length > 0 ? 'tags own-row' : 'tags'} aria-label="Tags">
            {tags.map(tag => (
              <Tag key={tag} tag={tag} side={side} />
            ))}
            {status === 'closed' ? null : (
              <li>
                <NewTag side={side} />
              </li>
            )}
          </ul>
          <StatusAction side={side} status={status} />
        </>
      ) : null}
    </div>
  );
}
