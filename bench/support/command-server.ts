/** A process with the command handler three times: over a stub, the same with sealing, the same over the embedded store in the folder of its argument. */
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Commands } from '../../src/commands/commands.ts';
import { createConversationCommands } from '../../src/commands/conversation-commands.ts';
import { createTenantKeys } from '../../src/commands/derived-ids.ts';
import type { ConversationCommand } from '../../src/domain/conversation/commands.ts';
import type { ConversationState } from '../../src/domain/conversation/state.ts';
import { openEmbeddedEventStore } from '../../src/event-store/event-store.embedded.ts';
import type { EventStore } from '../../src/event-store/event-store.ts';
import { createSealedCodec } from '../../src/keyring/codec.sealed.ts';
import type { Codec } from '../../src/keyring/codec.ts';
import { KeyCache } from '../../src/keyring/key-cache.ts';
import { openEmbeddedKeyring } from '../../src/keyring/keyring.embedded.ts';
import { createConversationSerializer } from '../../src/schemas/aggregate-serializers.ts';
import { plainCodec } from '../../test/support/plain-codec.ts';
import { answerParent, CpuWindow } from './child-process.ts';
import { TENANT } from './gateway.ts';
import { StubEventStore } from './stub-event-store.ts';

export type CommandSystem = 'decided' | 'sealed' | 'appended';

export interface CommandFigures {
  readonly commands: number;
  readonly seconds: number;
  /** Of the whole process, in microseconds. */
  readonly cpu: number;
}

export type CommandServer = {
  run(system: CommandSystem, writers: number, ms: number): Promise<CommandFigures>;
};

/** Of some 200 bytes, as people write. */
const TEXT = 'I built the vanilla kernel and it panics on boot: it does not recognise its root file system. '.repeat(2);
/** After so many messages a writer begins another conversation. */
const MESSAGES_A_CONVERSATION = 100;

const folder = process.argv[2] ?? '.';
const keyring = new KeyCache(await openEmbeddedKeyring({ directory: join(folder, 'keyring'), mayBegin: true }), {
  keysMax: 100_000,
});
const store = await openEmbeddedEventStore({ directory: join(folder, 'log') });
const sealedCodec = createSealedCodec({ keyring });
const clock = { now: () => Date.now() };
const keys = createTenantKeys({ rootSecret: randomBytes(32) });

function commandsOver(to: EventStore, codec: Codec): Commands<ConversationCommand, ConversationState> {
  return createConversationCommands({ store: to, keys, clock, serializer: createConversationSerializer({ codec }) });
}

const systems: Record<CommandSystem, Commands<ConversationCommand, ConversationState>> = {
  decided: commandsOver(new StubEventStore(), plainCodec),
  sealed: commandsOver(new StubEventStore(), sealedCodec),
  appended: commandsOver(store, sealedCodec),
};

/** One command after the other, until the time is over. */
async function write(system: CommandSystem, deadline: number): Promise<number> {
  const { handle } = { handle: systems[system].handle.bind(systems[system]) };
  const actor = { id: 'agent-1', role: 'agent' } as const;
  let done = 0;
  while (performance.now() < deadline) {
    const shared = { tenant: TENANT, id: randomUUID(), actor };
    const start = { type: 'StartConversation', data: { channel: 'web', visitor: randomUUID() } } as const;
    await handle({ ...shared, commandId: randomUUID(), command: start });
    done += 1;
    for (let i = 1; i < MESSAGES_A_CONVERSATION && performance.now() < deadline; i += 1, done += 1)
      await handle({ ...shared, commandId: randomUUID(), command: { type: 'PostMessage', data: { text: TEXT } } });
  }
  return done;
}

const answers: CommandServer = {
  run: async (system, writers, ms) => {
    const cpu = new CpuWindow();
    const begun = performance.now();
    cpu.begin();
    const made = await Promise.all(Array.from({ length: writers }, () => write(system, begun + ms)));
    const seconds = (performance.now() - begun) / 1_000;
    return { commands: made.reduce((sum, each) => sum + each, 0), seconds, cpu: cpu.end() };
  },
};
answerParent(answers, async () => {
  await store.close();
  await keyring.close();
});
