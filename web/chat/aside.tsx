/** What stands between the messages: notes of the staff, and lines that say what became of the conversation. */
import type { JSX } from 'preact';
import { milestoneWords } from './milestones.ts';
import { nameOf } from './people.ts';
import { said } from './said.ts';
import type { Milestone, Note } from './transcript.ts';

export function NoteAside({ note }: { note: Note }): JSX.Element {
  return (
    <li class="note-aside">
      <p class="note-head">
        Note by {nameOf(note.author, note.role)}
        <span>never sent to the visitor</span>
      </p>
      <p class={note.text === null ? 'note-words gone' : 'note-words'} dir="auto">
        {note.text ?? 'Erased'}
      </p>
      <p class="meta">
        <time dateTime={note.at}>{said(note.at)}</time>
        <span class="rev" title="The visitor’s cursor moves past this revision; nothing of it is sent">
          rev {note.rev}
        </span>
      </p>
    </li>
  );
}

export function MilestoneLine({ milestone: { event, rev } }: { milestone: Milestone }): JSX.Element {
  return (
    <li class="milestone" title={`rev ${String(rev)}, ${said(event.at)}`}>
      <span>{milestoneWords(event)}</span>
    </li>
  );
}
