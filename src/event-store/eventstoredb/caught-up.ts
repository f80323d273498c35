/**
 * When a subscription has reached the end of the log. Servers from 23.10 on say so, but for a stream that is not there
 * yet; for the others the last event there was when the subscription began is looked up, and waited for.
 */
/** Where a subscription is: exclusive. */
export type Cursor = bigint | 'start';

/** `major * 100 + minor`. */
const SAYS_CAUGHT_UP_FROM = 2_310;

/** The end as one call of a subscription sees it. */
export interface EndOfLog {
  /** Resolves once the end is known; at once where the server says it. */
  readonly known: Promise<void>;
  /** True once: with the message that reaches the end. */
  isReached(isSaid: boolean, isConfirmed: boolean, after: Cursor): boolean;
}

export class CaughtUp {
  private readonly findLast: () => Promise<bigint | undefined>;
  private readonly always: boolean;

  /**
   * @param findLast the place of the last event that the subscription would bring; undefined where there is none
   * @param always the server may not say it, whatever its version
   */
  constructor(findLast: () => Promise<bigint | undefined>, always: boolean) {
    this.findLast = findLast;
    this.always = always;
  }

  begin(serverVersion: string): EndOfLog {
    const isAsked = this.always || !saysCaughtUp(serverVersion);
    let last: { readonly place: bigint | undefined } | undefined;
    let isReachedNow = false;
    const known = isAsked
      ? this.findLast().then(
          place => {
            last = { place };
          },
          // Then the subscription fails too, and its next call asks again.
          () => undefined,
        )
      : Promise.resolve();
    const hasPassed = (after: Cursor): boolean =>
      last !== undefined && (last.place === undefined || (after !== 'start' && after >= last.place));
    return {
      known,
      isReached: (isSaid, isConfirmed, after) => {
        if (isReachedNow || !(isSaid || (isConfirmed && hasPassed(after)))) return false;
        isReachedNow = true;
        return true;
      },
    };
  }
}

function saysCaughtUp(serverVersion: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(serverVersion) ?? [];
  return major !== undefined && Number(major) * 100 + Number(minor) >= SAYS_CAUGHT_UP_FROM;
}
