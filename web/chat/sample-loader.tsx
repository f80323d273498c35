/** Loads the sample conversations into the log, once; loading them again appends nothing and says so. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { loadSample, roomName } from './page-access.ts';

export interface SampleConversation {
  readonly room: string;
  readonly label: string;
}

type Loading = 'idle' | 'loading' | 'loaded' | 'failed';

const LABELS: Readonly<Record<Loading, string>> = {
  idle: 'Load sample conversations',
  loading: 'Loading the sample…',
  loaded: 'Sample loaded',
  failed: 'Try the sample again',
};

export function SampleLoader(props: { onLoaded: (conversations: readonly SampleConversation[]) => void }): JSX.Element {
  const [loading, setLoading] = useState<Loading>('idle');
  const [result, setResult] = useState('');

  const load = async (): Promise<void> => {
    setLoading('loading');
    try {
      const { imported, duplicates, rejected, conversations } = await loadSample();
      setResult(
        `${String(imported)} messages imported, ${String(duplicates)} were there already, ${String(rejected)} rejected`,
      );
      setLoading('loaded');
      props.onLoaded(
        conversations.map(({ id, messages }) => ({
          room: roomName(id),
          label: `${id} · ${String(messages)} messages`,
        })),
      );
    } catch (error) {
      setResult(error instanceof Error ? error.message : String(error));
      setLoading('failed');
    }
  };

  return (
    <>
      <button
        type="button"
        class="button"
        disabled={loading === 'loading'}
        title={result}
        onClick={() => {
          void load();
        }}
      >
        <span class="wide-only">{LABELS[loading]}</span>
        <span class="narrow-only">{loading === 'loading' ? 'Loading…' : 'Sample'}</span>
      </button>
      <span class="visually-hidden" role="status">
        {result}
      </span>
    </>
  );
}
