/**
 * Marks the fields of stored events that are about a person, and whose, so that the codec between domain and log
 * knows what to seal and under which key. A mark is kept on a copy of the schema: a schema shared by two fields is
 * personal only where it was marked.
 */
import { z } from 'zod';

/**
 * Whose key seals a field. `visitor`: the conversation's visitor, or the conversation's own id where it has none.
 * `author`: who the event's actor is.
 */
export type Subject = 'visitor' | 'author';

/** Where a personal field stands in an event's data. `*` stands for every element of an array or value of a record. */
export interface PersonalField {
  readonly path: readonly string[];
  readonly subject: Subject;
}

const marks = z.registry<{ readonly subject: Subject }>();

/** Takes null as well: that is how an erased field reads. */
export function personal<Schema extends z.ZodType>(
  schema: Schema,
  mark: { readonly subject: Subject },
): z.ZodNullable<Schema> {
  const marked = z.nullable(schema);
  marks.add(marked, mark);
  return marked;
}

/** The personal fields below a schema. Objects, arrays, records and their optional and read-only wrappers are searched. */
export function personalFields(schema: z.core.$ZodType, path: readonly string[] = []): PersonalField[] {
  const mark = marks.get(schema as z.ZodType);
  if (mark !== undefined) return [{ path, subject: mark.subject }];
  if (schema instanceof z.ZodObject)
    return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([name, field]) =>
      personalFields(field, [...path, name]),
    );
  if (schema instanceof z.ZodArray) return personalFields(schema.element, [...path, '*']);
  if (schema instanceof z.ZodRecord) return personalFields(schema.valueType, [...path, '*']);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodReadonly || schema instanceof z.ZodNullable)
    return personalFields(schema.unwrap(), path);
  return [];
}
