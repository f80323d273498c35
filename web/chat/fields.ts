/** Reading what is not typed: the data of events, and answers of the server. */

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};
export const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
export const stringOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
