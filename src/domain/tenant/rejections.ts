/** Why a tenant says no: one function a code. */
import { Rejection } from '../decider.ts';
import type { Actor } from '../decider.ts';

/** The actor's role may never do this. The command handler answers it as `forbidden`, not `rejected`. */
export const forbidden = (actor: Actor, what: string) => new Rejection('forbidden', `A ${actor.role} may not ${what}.`);
