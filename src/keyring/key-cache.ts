/** Keys used last, before a keyring that has to look for them. Nothing erased comes back: see `epoch`. */
import { subjectName } from './keyring.ts';
import type { Keyring, SubjectId, SubjectKey } from './keyring.ts';

export interface KeyCacheOptions {
  /** Keys held in memory, some 200 bytes each. */
  readonly keysMax: number;
}

export class KeyCache implements Keyring {
  private readonly keyring: Keyring;
  private readonly keysMax: number;
  /** In the order of use, the oldest first. */
  private readonly keys = new Map<string, SubjectKey>();
  /** Counts destructions: what was asked of the keyring before one is not kept after it. */
  private epoch = 0;

  constructor(keyring: Keyring, { keysMax }: KeyCacheOptions) {
    this.keyring = keyring;
    this.keysMax = keysMax;
  }

  async find(subjects: readonly SubjectId[]): Promise<readonly (SubjectKey | undefined)[]> {
    return this.through(subjects, missing => this.keyring.find(missing));
  }

  async obtain(subjects: readonly SubjectId[]): Promise<readonly SubjectKey[]> {
    return this.through(subjects, missing => this.keyring.obtain(missing));
  }

  async destroy(subjects: readonly SubjectId[]): Promise<void> {
    try {
      await this.keyring.destroy(subjects);
    } finally {
      this.epoch += 1;
      for (const subject of subjects) this.keys.delete(subjectName(subject));
    }
  }

  tenants(): Promise<readonly string[]> {
    return this.keyring.tenants();
  }

  close(): Promise<void> {
    this.keys.clear();
    return this.keyring.close();
  }

  stats(): { readonly keys: number } {
    return { keys: this.keys.size };
  }

  private async through<Key extends SubjectKey | undefined>(
    subjects: readonly SubjectId[],
    ask: (missing: readonly SubjectId[]) => Promise<readonly Key[]>,
  ): Promise<readonly (Key | SubjectKey)[]> {
    const found = subjects.map(subject => this.touch(subjectName(subject)));
    const missing = subjects.filter((_, i) => found[i] === undefined);
    if (missing.length === 0) return found as SubjectKey[];
    const { epoch } = this;
    const asked = await ask(missing);
    let next = 0;
    return subjects.map((subject, i) => {
      const known = found[i];
      if (known !== undefined) return known;
      const key = asked[next++] as Key;
      if (key !== undefined && epoch === this.epoch) this.keep(subjectName(subject), key);
      return key;
    });
  }

  private touch(name: string): SubjectKey | undefined {
    const key = this.keys.get(name);
    if (key === undefined) return undefined;
    this.keys.delete(name);
    this.keys.set(name, key);
    return key;
  }

  private keep(name: string, key: SubjectKey): void {
    this.keys.set(name, key);
    const oldest = this.keys.size > this.keysMax ? this.keys.keys().next().value : undefined;
    if (oldest !== undefined) this.keys.delete(oldest);
  }
}
