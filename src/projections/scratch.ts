/**
 * A generation that nobody queries: one side of a comparison, or a copy that is to take another's place. It may hold
 * texts that are erased while it is there, so it is leased: one whose maker died is dropped minutes later, by whoever
 * looks at the catalog.
 */
import { SCRATCH_LEASE_MS } from './catalog.ts';
import type { ProjectionCatalog } from './catalog.ts';
import type { ProjectorParts } from './parts.ts';

/** So that two renewals may fail. */
const RENEWALS_A_LEASE = 3;

/** It is dropped at the end of `work`, whatever comes, unless it answers queries by then. @throws UnavailableError, and what `work` throws */
export async function withScratch<Result>(
  { delay, drops }: Pick<ProjectorParts, 'delay'> & { readonly drops: Pick<ProjectorParts['drops'], 'see'> },
  catalog: ProjectionCatalog,
  work: (generation: number) => Promise<Result>,
): Promise<Result> {
  const generation = await catalog.claimScratch();
  const ended = new AbortController();
  const renewing = renew(delay, catalog, generation, ended.signal);
  try {
    return await work(generation);
  } finally {
    ended.abort();
    await renewing;
    const released = await catalog.releaseScratch(generation).catch(() => undefined);
    if (released !== undefined) drops.see(catalog, released);
  }
}

async function renew(
  delay: ProjectorParts['delay'],
  catalog: ProjectionCatalog,
  generation: number,
  ended: AbortSignal,
): Promise<void> {
  for (;;) {
    await delay(SCRATCH_LEASE_MS / RENEWALS_A_LEASE, ended);
    if (ended.aborted) return;
    // Where the store is away, the work that needs it fails by itself.
    await catalog.renewScratch(generation).catch(() => undefined);
  }
}
