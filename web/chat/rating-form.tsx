/** After a resolution the visitor may say how it went: once, with words if they like. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Side } from './side.ts';

const SCORES = [1, 2, 3, 4, 5];
const COMMENT_UNITS_MAX = 1_000;

export function RatingForm({ side }: { side: Side }): JSX.Element {
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState('');
  return (
    <form
      class="rating"
      onSubmit={event => {
        event.preventDefault();
        side.commands.rate(score, comment.trim());
      }}
    >
      <fieldset>
        <legend>How was it?</legend>
        <div class="stars">
          {SCORES.map(value => (
            <label key={value} class={value <= score ? 'on' : ''}>
              <input
                type="radio"
                name="score"
                aria-label={`${String(value)} of 5`}
                checked={value === score}
                onChange={() => {
                  setScore(value);
                }}
              />
              ★
            </label>
          ))}
        </div>
      </fieldset>
      {score === 0 ? null : (
        <div class="rating-words">
          <input
            aria-label="A word about it"
            placeholder="A word about it, if you like"
            maxLength={COMMENT_UNITS_MAX}
            value={comment}
            onInput={event => {
              setComment(event.currentTarget.value);
            }}
          />
          <button type="submit" class="button small primary" disabled={side.view.acts.size > 0}>
            Rate
          </button>
        </div>
      )}
    </form>
  );
}
