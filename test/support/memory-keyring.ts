/** The keyring in memory, for tests that are not about files. */
import { randomBytes } from 'node:crypto';
import { KEY_BYTES, subjectName } from '../../src/keyring/keyring.ts';
import type { Keyring, SubjectId, SubjectKey } from '../../src/keyring/keyring.ts';

export class MemoryKeyring implements Keyring {
  private readonly keys = new Map<string, SubjectKey>();

  find(subjects: readonly SubjectId[]): Promise<(SubjectKey | undefined)[]> {
    return Promise.resolve(subjects.map(subject => this.keys.get(subjectName(subject))));
  }

  obtain(subjects: readonly SubjectId[]): Promise<SubjectKey[]> {
    const keys = subjects.map(subject => {
      const name = subjectName(subject);
      const key = this.keys.get(name) ?? randomBytes(KEY_BYTES);
      this.keys.set(name, key);
      return key;
    });
    return Promise.resolve(keys);
  }

  destroy(subjects: readonly SubjectId[]): Promise<void> {
    for (const subject of subjects) this.keys.set(subjectName(subject), 'erased');
    return Promise.resolve();
  }

  tenants(): Promise<string[]> {
    return Promise.resolve([...new Set([...this.keys.keys()].map(name => name.split('\n', 1)[0] ?? ''))].sort());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
