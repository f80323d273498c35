/** Why a tenant says no: one function a code. */
import { Rejection } from '../decider.ts';
import type { Actor } from '../decider.ts';

/** The actor's role may never do this. The command handler answers it as `forbidden`, not `rejected`. */
export const forbidden = (actor: Actor, what: string) =>
  new Rejection('forbidden', `The role ${actor.role} may not ${what}.`);

export const keyExists = (keyId: string) => new Rejection('key-exists', `There has been an API key ${keyId}.`);
export const unknownKey = (keyId: string) => new Rejection('unknown-key', `There is no API key ${keyId}.`);
export const tooManyKeys = (keysMax: number) =>
  new Rejection('too-many-keys', `A tenant has at most ${keysMax} API keys that are not revoked.`);
