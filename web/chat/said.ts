/** When something was said: the time alone where that was today's doing. */
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const DAY_MS = 24 * 60 * 60_000;

export function said(at: string): string {
  const when = new Date(at);
  return (Date.now() - when.getTime() < DAY_MS ? time : dayAndTime).format(when);
}
