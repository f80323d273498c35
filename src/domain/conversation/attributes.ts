/** What staff, bots and services say about a conversation: tags, a priority, attributes. */
import { ATTRIBUTES_MAX, TAGS_MAX, tooManyAttributes, tooManyTags } from './rejections.ts';
import type { Decide } from './row.ts';

export const addTag: Decide<'AddTag'> = ({ tag }, { tags }) => {
  if (tags.has(tag)) return [];
  if (tags.size >= TAGS_MAX) throw tooManyTags();
  return [{ type: 'TagAdded', data: { tag } }];
};

export const removeTag: Decide<'RemoveTag'> = ({ tag }, { tags }) =>
  tags.has(tag) ? [{ type: 'TagRemoved', data: { tag } }] : [];

export const setPriority: Decide<'SetPriority'> = ({ priority }, { priority: from }) =>
  priority === from ? [] : [{ type: 'PrioritySet', data: { priority, from } }];

/** The state holds no values, so setting what is set is an event. What is both set and removed is set. */
export const setAttributes: Decide<'SetAttributes'> = ({ attributes, remove = [] }, { attributes: known }) => {
  const set = Object.keys(attributes);
  const removed = [...new Set(remove)].filter(name => known.has(name) && !set.includes(name));
  if (set.length === 0 && removed.length === 0) return [];
  const added = set.filter(name => !known.has(name));
  if (known.size - removed.length + added.length > ATTRIBUTES_MAX) throw tooManyAttributes();
  return [{ type: 'AttributesSet', data: { attributes, removed } }];
};
