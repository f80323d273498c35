let lastMs = Number.NaN;
let lastIso = '';

/** ISO 8601 UTC with milliseconds, remembered for the last time asked: the folds of one event ask for the same. */
export function isoTimeOf(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
