/** From opening the page to two connected sides: asks for tokens, or for a person's own where the server gives none. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { askAccess, roomId } from './page-access.ts';
import type { PageAccess } from './page-access.ts';
import { SetupForm } from './setup-form.tsx';
import { Talk } from './talk.ts';
import { TalkView } from './talk-view.tsx';

type Stage =
  | { readonly kind: 'asking' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'setup' }
  | { readonly kind: 'talking'; readonly talk: Talk; readonly ownTokens: boolean };

const roomOfAddress = (): string | undefined => decodeURIComponent(location.hash.slice(1)) || undefined;

export function App(): JSX.Element {
  const [stage, setStage] = useState<Stage>({ kind: 'asking' });
  const [, redraw] = useState(0);
  const talking = useRef<Talk>(undefined);

  const begin = (access: PageAccess, ownTokens: boolean): void => {
    talking.current?.close();
    const talk = new Talk(access, () => {
      redraw(count => count + 1);
    });
    talking.current = talk;
    history.replaceState(null, '', `#${encodeURIComponent(roomId(access.room))}`);
    talk.connect();
    setStage({ kind: 'talking', talk, ownTokens });
  };

  const ask = async (room: string | undefined): Promise<void> => {
    try {
      const answer = await askAccess(room);
      if (answer.kind === 'given') begin(answer.access, false);
      else setStage({ kind: 'setup' });
    } catch (error) {
      setStage({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
    }
  };

  useEffect(() => {
    void ask(roomOfAddress());
    return () => {
      talking.current?.close();
    };
  }, []);

  switch (stage.kind) {
    case 'asking':
      return <p class="lone">Opening a conversation…</p>;
    case 'failed':
      return (
        <div class="lone" role="alert">
          <p>The server could not be asked: {stage.why}.</p>
          <button
            type="button"
            class="button primary"
            onClick={() => {
              setStage({ kind: 'asking' });
              void ask(roomOfAddress());
            }}
          >
            Try again
          </button>
        </div>
      );
    case 'setup':
      return (
        <SetupForm
          room={roomOfAddress()}
          onReady={access => {
            begin(access, true);
          }}
        />
      );
    case 'talking':
      return (
        <TalkView
          key={stage.talk.access.room}
          talk={stage.talk}
          ownTokens={stage.ownTokens}
          onNewConversation={() => {
            void ask(undefined);
          }}
        />
      );
  }
}
