/** `verbatim scavenge`: in the server that has the data folder, or in the folder itself where nobody has it. */
import { z } from 'zod';
import type { LoadedConfig } from '../config/config.ts';
import type { ScavengeResult } from '../event-store/log-upkeep.ts';
import { findServer, openFolder, serviceToken } from './data-folder-access.ts';
import { expectEmbeddedLog } from './embedded-log.ts';
import { EXIT_OK } from './failure.ts';
import { reportProgress } from './upkeep-progress.ts';
import type { ProgressReport } from './upkeep-progress.ts';
import { requestUpkeep } from './upkeep-request.ts';

/** Looked at when the request arrives, and not again. */
const TOKEN_LIFE_MS = 60_000;

const resultSchema = z.object({
  segments: z.number(),
  segmentsRewritten: z.number(),
  eventsDropped: z.number(),
  bytesBefore: z.number(),
  bytesAfter: z.number(),
});

export async function scavengeLog(
  { config }: Pick<LoadedConfig, 'config'>,
  { url }: { readonly url?: string | undefined },
): Promise<number> {
  const server = await findServer(config, url);
  const report = reportProgress('scavenge');
  try {
    const result = server === undefined ? await inFolder(config, report) : await overHttp(config, server, report);
    report.end();
    const { segments, segmentsRewritten, eventsDropped, bytesBefore, bytesAfter } = result;
    process.stdout.write(
      `${eventsDropped} events dropped, ${bytesBefore - bytesAfter} bytes given back; ` +
        `${segmentsRewritten} of ${segments} sealed segments were written anew.\n`,
    );
    return EXIT_OK;
  } finally {
    report.end();
  }
}

async function inFolder(config: LoadedConfig['config'], { onProgress }: ProgressReport): Promise<ScavengeResult> {
  expectEmbeddedLog(config);
  const engine = await openFolder(config, 'scavenge');
  try {
    return await engine.upkeep.scavenge({ onProgress });
  } finally {
    await engine.close();
  }
}

async function overHttp(
  config: LoadedConfig['config'],
  server: string,
  { onProgress }: ProgressReport,
): Promise<ScavengeResult> {
  const token = await serviceToken(config, { tenant: 'default', sub: 'verbatim-scavenge', lifeMs: TOKEN_LIFE_MS });
  const request = { server, path: '/v1/scavenges', authorization: `Bearer ${token}`, what: 'scavenging', onProgress };
  return requestUpkeep(request, resultSchema);
}
