/** Times as the whole page writes them, on a 24-hour clock: when something was said, and when a frame passed. */
const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
const time = new Intl.DateTimeFormat(undefined, clock);
const dayAndTime = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric', ...clock });
const toTheMillisecond = new Intl.DateTimeFormat(undefined, { ...clock, second: '2-digit', fractionalSecondDigits: 3 });
const DAY_MS = 24 * 60 * 60_000;

/** The time alone where that was today's doing. */
export function said(at: string): string {
  const when = new Date(at);
  return (Date.now() - when.getTime() < DAY_MS ? time : dayAndTime).format(when);
}

export function passed(at: Date): string {
  return toTheMillisecond.format(at);
}
