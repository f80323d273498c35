/** Why a conversation says no: one function a code, so that each code has one wording and one place. */
import { Rejection } from '../decider.ts';
import type { Actor } from '../decider.ts';

export const TEXT_UNITS_MAX = 10_000;
export const TAGS_MAX = 50;
export const ATTRIBUTES_MAX = 50;

/** The actor's role may never do this, whatever the state. The command handler answers it as `forbidden`, not `rejected`. */
export const forbidden = (actor: Actor, what: string) =>
  new Rejection('forbidden', `The role ${actor.role} may not ${what}.`);

export const alreadyStarted = () => new Rejection('already-started', 'The conversation has been started before.');

export const notStarted = () => new Rejection('not-started', 'The conversation has not been started.');

export const conversationClosed = () => new Rejection('conversation-closed', 'The conversation is closed.');

export const notOpen = (status: string) => new Rejection('not-open', `The conversation is ${status}, not open.`);

export const notResolved = (status: string) =>
  new Rejection('not-resolved', `The conversation is ${status}, not resolved.`);

export const unknownMessage = (seq: number, messages: number) =>
  new Rejection('unknown-message', `There is no message ${seq}: the conversation has ${messages}.`);

export const alreadyRedacted = (seq: number) => new Rejection('already-redacted', `Message ${seq} is redacted.`);

export const notTheAuthor = (seq: number) => new Rejection('not-the-author', `Message ${seq} was written by another.`);

export const textEmpty = () => new Rejection('text-empty', 'A text is missing; only attachments stand without one.');

export const textTooLong = (units: number) =>
  new Rejection('text-too-long', `The text has ${units} UTF-16 units, at most ${TEXT_UNITS_MAX} are allowed.`);

export const noVisitor = () => new Rejection('no-visitor', 'The conversation has no visitor.');

export const tooManyTags = () => new Rejection('too-many-tags', `A conversation has at most ${TAGS_MAX} tags.`);

export const tooManyAttributes = () =>
  new Rejection('too-many-attributes', `A conversation has at most ${ATTRIBUTES_MAX} attributes.`);

export const alreadyAssigned = (agent: string) =>
  new Rejection('already-assigned', `The conversation is assigned to ${agent}.`);

export const notAssigned = () => new Rejection('not-assigned', 'The conversation is assigned to nobody.');

export const notTheAssignee = (agent: string) =>
  new Rejection('not-the-assignee', `The conversation is assigned to ${agent}.`);

export const untilPast = (until: string) => new Rejection('until-past', `${until} is not in the future.`);

export const alreadyRated = () => new Rejection('already-rated', 'This resolution has been rated.');
