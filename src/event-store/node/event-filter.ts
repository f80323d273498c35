/** The filter of a read of `$all`, by prefixes or by a regular expression, as a function of an event. */
import { handlerFailed } from './rpc-errors.ts';
import type { RecordedEvent } from '../event-store.ts';
import type { FilterRequest } from './stream-requests.ts';

/** A longer expression is refused: what it costs to try one grows with it. */
const REGEX_CHARACTERS_MAX = 1_024;

/** @throws RpcError for what is no regular expression; a regular expression is tried anywhere in the name */
export function compileFilter(filter: FilterRequest | undefined): (event: RecordedEvent) => boolean {
  if (filter === undefined) return () => true;
  const { by, prefixes } = filter;
  if (filter.regex !== '') {
    const regex = compileRegex(filter.regex);
    return event => regex.test(event[by]);
  }
  const [only] = prefixes;
  if (only !== undefined && prefixes.length === 1) return event => event[by].startsWith(only);
  return event => {
    const name = event[by];
    return prefixes.some(prefix => name.startsWith(prefix));
  };
}

function compileRegex(source: string): RegExp {
  if (source.length > REGEX_CHARACTERS_MAX) throw handlerFailed();
  try {
    return new RegExp(source);
  } catch {
    throw handlerFailed();
  }
}
