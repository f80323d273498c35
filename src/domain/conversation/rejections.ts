/** Why a conversation says no: one function a code, so that each code has one wording and one place. */
import { Rejection } from '../decider.ts';
import type { Actor } from '../decider.ts';

export const TEXT_UNITS_MAX = 10_000;

/** The actor's role may never do this, whatever the state. The command handler answers it as `forbidden`, not `rejected`. */
export const forbidden = (actor: Actor, what: string) => new Rejection('forbidden', `A ${actor.role} may not ${what}.`);

export const alreadyStarted = () => new Rejection('already-started', 'The conversation has been started before.');

export const notStarted = () => new Rejection('not-started', 'The conversation has not been started.');

export const unknownMessage = (seq: number, messages: number) =>
  new Rejection('unknown-message', `There is no message ${seq}: the conversation has ${messages}.`);

export const alreadyRedacted = (seq: number) => new Rejection('already-redacted', `Message ${seq} is redacted.`);

export const notTheAuthor = (seq: number) => new Rejection('not-the-author', `Message ${seq} was written by another.`);

export const textEmpty = () => new Rejection('text-empty', 'A message without attachments needs a text.');

export const textTooLong = (units: number) =>
  new Rejection('text-too-long', `The text has ${units} UTF-16 units, at most ${TEXT_UNITS_MAX} are allowed.`);
