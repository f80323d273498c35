/**
 * Finds in everything that a tenant's tokens received what belongs to another tenant. What may stand there all the same
 * is what the fuzzer itself had sent: refusals name the room or id they are about.
 */

export interface Foreign {
  /** Found anywhere in the bytes: the other tenant's marks. */
  readonly marks: readonly string[];
  /** Found as whole JSON strings: the other tenant's ids, names and texts, where they carry no mark. */
  readonly strings: ReadonlySet<string>;
}

/** Below it, a string says nothing about where it is from: roles, channels, `ok`. */
export const STRING_UNITS_MIN = 8;

export class LeakWatch {
  private readonly foreign: Foreign;
  private readonly sent = new Set<string>();
  private readonly leaks: string[] = [];
  /** How often the tenant's own marks came: what shows that the watch has something to watch. */
  bytes = 0;

  constructor(foreign: Foreign) {
    this.foreign = foreign;
  }

  /** What the fuzzer is about to send, so that its echo is no leak. */
  allow(...strings: readonly string[]): void {
    for (const string of strings) this.sent.add(string);
  }

  /** @param text JSON, NDJSON or anything else */
  take(text: string, from: string): void {
    this.bytes += text.length;
    const values = text.split('\n').flatMap(line => stringsOf(parsed(line)));
    for (const value of values) {
      const isForeign =
        this.foreign.marks.some(mark => value.includes(mark)) ||
        (value.length >= STRING_UNITS_MIN && this.foreign.strings.has(value));
      if (isForeign && !this.isEcho(value)) this.leaks.push(`${from}: ${value.slice(0, 200)}`);
    }
  }

  found(): readonly string[] {
    return this.leaks;
  }

  private isEcho(value: string): boolean {
    if (this.sent.has(value)) return true;
    // A sentence about something that was sent: what is left without it must be innocent.
    let left = value;
    for (const sent of this.sent)
      if (sent.length >= STRING_UNITS_MIN && left.includes(sent)) left = left.replaceAll(sent, '');
    return left !== value && !this.foreign.marks.some(mark => left.includes(mark)) && !this.foreign.strings.has(left);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => [name, ...stringsOf(child)]);
}
