/** Tells a side which messages of others were really on its screen: in the list's window, in a page that is on display. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { RoomView } from './room-view.ts';

const seqOf = (element: Element): number => Number((element as HTMLElement).dataset.unreadSeq ?? -1);

/** Call on every render of the list: rows that came and are marked `data-unread-seq` are watched from then on. */
export function useUnreadWatch(list: RefObject<HTMLElement | null>, view: RoomView): void {
  const watch = useRef<IntersectionObserver>(undefined);
  const shown = useRef(-1);

  useLayoutEffect(() => {
    const tell = (): void => {
      if (document.visibilityState === 'visible' && shown.current >= 0) view.seen(shown.current);
    };
    const observer = new IntersectionObserver(
      rows => {
        for (const { isIntersecting, target } of rows) {
          if (!isIntersecting) continue;
          shown.current = Math.max(shown.current, seqOf(target));
          observer.unobserve(target);
        }
        tell();
      },
      { root: list.current },
    );
    watch.current = observer;
    document.addEventListener('visibilitychange', tell);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', tell);
    };
  }, [view]);

  useLayoutEffect(() => {
    // Observing a row that is observed already changes nothing.
    for (const row of list.current?.querySelectorAll('[data-unread-seq]') ?? [])
      if (seqOf(row) > shown.current) watch.current?.observe(row);
  });
}
