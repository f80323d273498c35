/**
 * Erasing a subject: the log is told first, then the key is destroyed. A crash in between is made up for at the next
 * start, from the log's own words: what it says is erased has no key.
 */
import type { Actor } from '../domain/decider.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { CommandAck, TenantCommands } from './commands.ts';
import { TENANT_STREAM_ID } from './tenant-commands.ts';

export interface ErasureRequest {
  readonly tenant: string;
  /** A person's opaque id, or the id of a conversation without a visitor. */
  readonly subject: string;
  /** Supervisor or service. */
  readonly by: Actor;
  /** Kept for good. */
  readonly reason: string;
  readonly commandId: string;
  readonly traceparent?: string;
}

interface ErasureAck extends CommandAck {
  /** The subject had a key until now, so that something personal of it may have been kept. Where not, the id may be a slip. */
  readonly held: boolean;
}

export interface Erasure {
  /**
   * Resolves when no file of the log, its index or the keyring can be read for what was the subject's. Again is safe,
   * and changes nothing.
   *
   * @throws what the handler of commands throws; an error of the keyring's files, after which it is to be asked again
   */
  eraseSubject(request: ErasureRequest): Promise<ErasureAck>;
  /** Destroys every key whose subject the log says is erased; how many there were. Before anything else is done. */
  finish(): Promise<number>;
}

export interface ErasureOptions {
  readonly tenants: TenantCommands;
  readonly keyring: Keyring;
}

export function createErasure({ tenants, keyring }: ErasureOptions): Erasure {
  return {
    async eraseSubject({ tenant, subject, by, reason, ...request }) {
      const [key] = await keyring.find([{ tenant, subject }]);
      // So that the keyring knows the tenant, whose log `finish` reads, even where nothing was ever sealed in it.
      await keyring.obtain([{ tenant, subject }]);
      const command = { type: 'EraseSubject', data: { subject, reason } } as const;
      const ack = await tenants.handle({ ...request, tenant, command, id: TENANT_STREAM_ID, actor: by });
      await keyring.destroy([{ tenant, subject }]);
      return { ...ack, held: key !== undefined && key !== 'erased' };
    },

    async finish() {
      let destroyed = 0;
      for (const tenant of await keyring.tenants()) {
        const { state } = await tenants.load(tenant, TENANT_STREAM_ID);
        const subjects = Array.from(state.erased, subject => ({ tenant, subject }));
        const keys = await keyring.find(subjects);
        const left = subjects.filter((_, i) => keys[i] !== 'erased');
        if (left.length > 0) await keyring.destroy(left);
        destroyed += left.length;
      }
      return destroyed;
    },
  };
}
