/** Shown where the server has a secret of its own and so gives the page no tokens: a person brings them. */
import { useState } from 'preact/hooks';
import type { JSX, TargetedSubmitEvent } from 'preact';
import { roomName, subjectOf } from './page-access.ts';
import type { PageAccess, Party } from './page-access.ts';

const GATEWAY_PORT = 3001;

function defaultGateway(): string {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return `${scheme}://${location.hostname}:${String(GATEWAY_PORT)}/v1/socket`;
}

/** @throws Error where the text is no token */
function party(token: string, whose: string): { readonly party: Party; readonly rooms: readonly string[] } | undefined {
  if (token === '') return undefined;
  try {
    const { sub, rooms } = subjectOf(token);
    return { party: { sub, token }, rooms };
  } catch {
    throw new Error(`The ${whose}’s token is not a token: it has three parts with dots between them.`);
  }
}

function accessOf(fields: FormData): PageAccess {
  const field = (name: string): string => {
    const value = fields.get(name);
    return typeof value === 'string' ? value.trim() : '';
  };
  const visitor = party(field('visitor'), 'visitor');
  const agent = party(field('agent'), 'agent');
  if (!visitor && !agent) throw new Error('Paste at least one token.');
  const room = field('room') || visitor?.rooms[0];
  if (room === undefined) throw new Error('Name the conversation: the visitor’s token names none.');
  return {
    gatewayUrl: field('gateway'),
    tenant: '',
    room: roomName(room),
    visitor: visitor?.party,
    agent: agent?.party,
    expiresAt: undefined,
  };
}

export function SetupForm(props: { room: string | undefined; onReady: (access: PageAccess) => void }): JSX.Element {
  const [problem, setProblem] = useState<string>();
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    try {
      props.onReady(accessOf(new FormData(event.currentTarget)));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <main class="setup">
      <h1>Bring your own tokens</h1>
      <p>
        This server signs tokens with a configured secret, so it does not hand any to this page. Make two on the server
        and paste them here. They stay in this tab’s memory.
      </p>
      <pre>
        <code>
          npx verbatim token --role visitor --sub ann --rooms conversation:hello{'\n'}npx verbatim token --role agent
          --sub bob
        </code>
      </pre>
      <form onSubmit={submit}>
        <label>
          Gateway
          <input name="gateway" type="url" required defaultValue={defaultGateway()} spellcheck={false} />
        </label>
        <label>
          Conversation
          <input
            name="room"
            defaultValue={props.room ?? ''}
            placeholder="from the visitor’s token"
            spellcheck={false}
          />
        </label>
        <label>
          Visitor’s token
          <textarea name="visitor" rows={3} spellcheck={false} autocomplete="off" />
        </label>
        <label>
          Agent’s token
          <textarea name="agent" rows={3} spellcheck={false} autocomplete="off" />
        </label>
        <p class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="button primary">
          Connect
        </button>
      </form>
    </main>
  );
}
