/** The two sides of the page, the wire log they share, and the tokens that keep them connected. */
import { browserTimers } from '../protocol/browser-socket.ts';
import { askAccess } from './page-access.ts';
import type { PageAccess, Party } from './page-access.ts';
import { Side } from './side.ts';
import { WireLog } from './wire-log.ts';
import type { SideName } from './wire-log.ts';

/** Tokens are renewed this long before they expire. */
const RENEW_BEFORE_MS = 5 * 60_000;
const RENEW_AGAIN_MS = 30_000;
/** The longest wait a timer of the browser can hold. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class Talk {
  readonly wire: WireLog;
  readonly visitor: Side | undefined;
  readonly agent: Side | undefined;
  #access: PageAccess;
  #renewing: Promise<void> | undefined;
  #cancelRenewal: () => void = () => undefined;

  constructor(access: PageAccess, changed: () => void) {
    this.#access = access;
    this.wire = new WireLog(changed);
    this.visitor = this.#side('visitor', access.visitor, changed);
    this.agent = this.#side('agent', access.agent, changed);
    this.#planRenewal();
  }

  get access(): PageAccess {
    return this.#access;
  }

  get sides(): readonly Side[] {
    return [this.visitor, this.agent].filter(side => side !== undefined);
  }

  connect(): void {
    for (const side of this.sides) side.connect();
  }

  close(): void {
    this.#cancelRenewal();
    for (const side of this.sides) side.cut();
  }

  #side(name: SideName, party: Party | undefined, changed: () => void): Side | undefined {
    if (party === undefined) return undefined;
    return new Side({
      name,
      sub: party.sub,
      room: this.#access.room,
      gatewayUrl: this.#access.gatewayUrl,
      token: () => this.#token(name),
      wire: this.wire,
      changed,
    });
  }

  async #token(name: SideName): Promise<string> {
    const { expiresAt } = this.#access;
    const refusedBefore = this[name]?.refused === true;
    if (expiresAt !== undefined && (refusedBefore || expiresAt - Date.now() < RENEW_AGAIN_MS)) await this.#renew();
    const party = this.#access[name];
    if (party === undefined) throw new Error('no token');
    return party.token;
  }

  /** One renewal at a time serves both sides. */
  async #renew(): Promise<void> {
    this.#renewing ??= this.#askAgain().finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  async #askAgain(): Promise<void> {
    const answer = await askAccess(this.#access.room);
    if (answer.kind === 'absent') throw new Error('the server gives this page no tokens any more');
    this.#access = answer.access;
    for (const side of this.sides) {
      const party = this.#access[side.name];
      if (party) side.refresh(party.token);
    }
    this.#planRenewal();
  }

  #planRenewal(): void {
    this.#cancelRenewal();
    const { expiresAt } = this.#access;
    if (expiresAt === undefined) return;
    this.#renewAfter(Math.max(expiresAt - RENEW_BEFORE_MS - Date.now(), RENEW_AGAIN_MS));
  }

  #renewAfter(delayMs: number): void {
    this.#cancelRenewal = browserTimers.after(Math.min(delayMs, TIMER_MAX_MS), () => {
      // A failure is no event of its own: it is tried again, and an expired token shows at the connection.
      this.#renew().catch(() => {
        this.#renewAfter(RENEW_AGAIN_MS);
      });
    });
  }
}
