/**
 * A personal field of an event: what somebody wrote, or a name. `null` once its subject was erased, and then for good.
 * Nothing else in an event's data is ever null, so that null says nothing else, in the log's events as in their wire form.
 */
export type Personal = string | null;
