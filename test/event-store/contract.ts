/**
 * What every adapter of the event store port must do, as one suite over a factory. Each test has streams of its own, so
 * that one store (or one server) serves them all.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { appendContract } from './contract-appends.ts';
import { deleteContract } from './contract-deletes.ts';
import { readContract } from './contract-reads.ts';
import { requestContract } from './contract-requests.ts';
import { subscriptionContract } from './contract-subscriptions.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';

export interface ContractStore {
  readonly store: EventStore;
  /** Moves the store's clock on; absent where it cannot be moved. */
  readonly advanceMs?: (ms: number) => void;
  /** Closes the store and opens it again on the same log; absent where nothing survives. */
  readonly reopen?: () => Promise<EventStore>;
}

export type StoreFactory = () => Promise<ContractStore>;

/** What the tests of one part get: the store is there once they run. */
export interface ContractContext {
  readonly store: () => EventStore;
  readonly opened: () => ContractStore;
  readonly factory: StoreFactory;
}

/** @param except parts that an adapter (a test's double) does not promise */
export function eventStoreContract(
  name: string,
  factory: StoreFactory,
  { except = [] }: { readonly except?: readonly 'requests'[] } = {},
): void {
  describe(`the event store contract: ${name}`, () => {
    let opened: ContractStore | undefined;
    beforeAll(async () => {
      opened = await factory();
    });
    afterAll(async () => {
      await opened?.store.close();
    });
    const context: ContractContext = {
      factory,
      opened: () => {
        if (!opened) throw new Error('The store is opened before the first test.');
        return opened;
      },
      store: () => context.opened().store,
    };
    appendContract(context);
    readContract(context);
    subscriptionContract(context);
    deleteContract(context);
    if (!except.includes('requests')) requestContract(context);
  });
}
