/** A resume in words, with the counts of the page's own check. */
import type { Resume } from '../protocol/coverage.ts';

const count = (found: number, word: string): string =>
  found === 0 ? `no ${word}` : `${String(found)} ${word}${found === 1 ? '' : 's'}`;

/** `after 17: 18…23, no gap, no duplicate`; where nothing came there is nothing to count. */
export function describe(resume: Pick<Resume, 'after' | 'upTo' | 'gaps' | 'duplicates'>): string {
  const { after, gaps, duplicates } = resume;
  const upTo = resume.upTo ?? after;
  const first = String(after + 1);
  const missed = upTo === after ? 'nothing was missed' : upTo === after + 1 ? first : `${first}…${String(upTo)}`;
  if (upTo === after && gaps === 0 && duplicates === 0) return `after ${String(after)}: ${missed}`;
  return `after ${String(after)}: ${missed}, ${count(gaps, 'gap')}, ${count(duplicates, 'duplicate')}`;
}
