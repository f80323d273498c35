/**
 * `sealed-v1`: personal fields under AES-256-GCM, one box for all fields of one event that belong to one subject.
 *
 * Stored data is the event's data without its personal fields, and beside them `$sealed`, a list of boxes
 * `{ subject, paths, box }`. `paths` says where the values stood, so that an erased one leaves a `null` there; `box` is
 * base64 of nonce (96 random bits), tag (128 bits) and the sealed JSON array of the values. Tenant, subject, stream, event id and
 * paths are authenticated with it: a box that was moved, or whose paths were changed, does not open.
 *
 * 2^32 boxes under one key are the bound for random nonces (NIST SP 800-38D, 8.3); no person says so much.
 */
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { Rejection } from '../domain/decider.ts';
import type { Codec, SealField, SealPlace, Sealed, Unsealed } from './codec.ts';
import type { Keyring, SubjectId, SubjectKey } from './keyring.ts';

/** The codec's name in a log. */
export const SEALED_CODEC = 'sealed-v1';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const GCM = { authTagLength: TAG_BYTES } as const;

/** A place in data: names of fields, and ordinals of elements. */
type Path = readonly (string | number)[];

interface Box {
  readonly subject: string;
  readonly paths: readonly Path[];
  readonly box: string;
}

/** The log holds a box of a subject whose key the keyring has never had: the keyring is another log's, or an old backup. */
export class MissingKeyError extends Error {
  override readonly name = 'MissingKeyError';
  constructor({ tenant, stream, id }: SealPlace, subject: string) {
    super(
      `Event ${id} of ${stream} is sealed for subject ${subject} of tenant ${tenant}, and the keyring has never had ` +
        'its key: restore the keyring that belongs to this log.',
    );
  }
}

/** A box that its key does not open: it was altered or moved, or the key is of another keyring. */
export class BrokenSealError extends Error {
  override readonly name = 'BrokenSealError';
  constructor({ stream, id }: SealPlace, subject: string) {
    super(`Event ${id} of ${stream} has a box that the key of subject ${subject} does not open.`);
  }
}

export function createSealedCodec({ keyring }: { readonly keyring: Pick<Keyring, 'find' | 'obtain'> }): Codec {
  return {
    name: SEALED_CODEC,

    async seal(batch) {
      const plans = batch.map(planOf);
      const keys = new Map<string, SubjectKey | undefined>();
      plans.forEach((plan, i) => {
        for (const subject of plan.boxes.keys()) keys.set(nameOf(batch[i], subject), undefined);
      });
      if (keys.size > 0) await fetchKeys(keys, subjects => keyring.obtain(subjects));
      return plans.map((plan, i) => {
        const place = batch[i];
        if (plan.boxes.size === 0 || place === undefined) return plan.data;
        const boxes = Array.from(plan.boxes, ([subject, { paths, values }]): Box => {
          const key = keys.get(nameOf(place, subject));
          if (key === undefined || key === 'erased') throw erased(subject);
          return { subject, paths, box: sealBox(key, place, subject, paths, values) };
        });
        return { ...plan.data, $sealed: boxes };
      });
    },

    async open(batch) {
      const keys = new Map<string, SubjectKey | undefined>();
      for (const sealed of batch)
        for (const { subject } of boxesOf(sealed)) keys.set(nameOf(sealed, subject), undefined);
      if (keys.size > 0) await fetchKeys(keys, subjects => keyring.find(subjects));
      return batch.map(sealed => {
        const boxes = boxesOf(sealed);
        if (boxes.length === 0) return sealed.data;
        const { $sealed: _, ...data } = sealed.data as Record<string, unknown>;
        for (const box of boxes) {
          const key = keys.get(nameOf(sealed, box.subject));
          if (key === undefined) throw new MissingKeyError(sealed, box.subject);
          const values = key === 'erased' ? undefined : openBox(key, sealed, box);
          box.paths.forEach((path, i) => {
            put(data, path, values === undefined ? null : values[i]);
          });
        }
        return data;
      });
    },
  };
}

const erased = (subject: string) =>
  new Rejection('erased', `The personal data of ${subject} was erased, and none is taken any more.`);

function nameOf(place: Pick<SubjectId, 'tenant'> | undefined, subject: string): string {
  return `${place?.tenant ?? ''}\n${subject}`;
}

/** Fills in the keys of all names, asked for at once. */
async function fetchKeys(
  keys: Map<string, SubjectKey | undefined>,
  ask: (subjects: readonly SubjectId[]) => Promise<readonly (SubjectKey | undefined)[]>,
): Promise<void> {
  const names = [...keys.keys()];
  const subjects = names.map(name => {
    const at = name.indexOf('\n');
    return { tenant: name.slice(0, at), subject: name.slice(at + 1) };
  });
  const found = await ask(subjects);
  names.forEach((name, i) => keys.set(name, found[i]));
}

interface Plan {
  /** The data without what is to be sealed; a copy where there is something. */
  readonly data: object;
  /** By subject. */
  readonly boxes: Map<string, { readonly paths: Path[]; readonly values: unknown[] }>;
}

function planOf({ data, fields }: Unsealed): Plan {
  const plan: Plan = { data: { ...data }, boxes: new Map() };
  for (const field of fields) takeOut(plan, field, plan.data, 0, []);
  return plan;
}

/**
 * Moves what stands at the field's path, wherever `*` leads, from the plan's data into its subject's box. `parent` is
 * the plan's own; what lies below it is the caller's, and copied on the way.
 */
function takeOut(plan: Plan, field: SealField, parent: object, depth: number, walked: Path): void {
  const step = field.path[depth];
  if (step === undefined) return;
  const holder = parent as Record<string | number, unknown>;
  const names = step === '*' ? (Array.isArray(parent) ? parent.map((_, i) => i) : Object.keys(holder)) : [step];
  for (const name of names) {
    const value = holder[name];
    if (value === undefined) continue;
    const path = [...walked, name];
    if (depth < field.path.length - 1) {
      if (typeof value !== 'object' || value === null) continue;
      const copy: object = Array.isArray(value) ? [...(value as unknown[])] : { ...value };
      holder[name] = copy;
      takeOut(plan, field, copy, depth + 1, path);
      continue;
    }
    let box = plan.boxes.get(field.subject);
    if (box === undefined) plan.boxes.set(field.subject, (box = { paths: [], values: [] }));
    box.paths.push(path);
    box.values.push(value);
    // JSON leaves an undefined field out, and keeps the place of an undefined element, so that those after it keep theirs.
    holder[name] = undefined;
  }
}

const NO_BOXES: readonly Box[] = [];

function boxesOf({ data }: Sealed): readonly Box[] {
  return (data as { readonly $sealed?: readonly Box[] }).$sealed ?? NO_BOXES;
}

/** Own fields only, so that no name in a log can reach what objects inherit. */
function put(data: object, path: Path, value: unknown): void {
  let holder = data as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) {
    const next = Object.hasOwn(holder, step) ? holder[step] : undefined;
    if (typeof next !== 'object' || next === null) return;
    holder = next as Record<string | number, unknown>;
  }
  const last = path.at(-1);
  if (last === '__proto__')
    Object.defineProperty(holder, last, { value, enumerable: true, configurable: true, writable: true });
  else if (last !== undefined) holder[last] = value;
}

function boundTo({ tenant, stream, id }: SealPlace, subject: string, paths: readonly Path[]): Buffer {
  return Buffer.from(`${tenant}\n${stream}\n${id}\n${subject}\n${JSON.stringify(paths)}`);
}

/** Asking the system for random bytes costs as much as sealing with them, so they are drawn many at a time. */
const randomPool = Buffer.alloc(NONCE_BYTES * 512);
let randomUsed = randomPool.length;

/** Each part of the pool is given out once, as a copy that the next filling does not touch. */
function nextNonce(): Buffer {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const nonce = Buffer.from(randomPool.subarray(randomUsed, randomUsed + NONCE_BYTES));
  randomUsed += NONCE_BYTES;
  return nonce;
}

function sealBox(
  key: Uint8Array,
  place: SealPlace,
  subject: string,
  paths: readonly Path[],
  values: readonly unknown[],
): string {
  const nonce = nextNonce();
  const cipher = createCipheriv(ALGORITHM, key, nonce, GCM);
  cipher.setAAD(boundTo(place, subject, paths));
  const sealed = cipher.update(JSON.stringify(values), 'utf8');
  cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

function openBox(key: Uint8Array, place: SealPlace, { subject, paths, box }: Box): readonly unknown[] {
  const bytes = Buffer.from(box, 'base64');
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), GCM);
    decipher.setAAD(boundTo(place, subject, paths));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const values = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    decipher.final();
    return JSON.parse(values.toString('utf8')) as readonly unknown[];
  } catch {
    throw new BrokenSealError(place, subject);
  }
}
