import type { Projection } from '../projection.ts';
import { MESSAGE_BUCKETS, messageBuckets } from './message-buckets.ts';

/** What was said: transcripts. */
export const messagesProjection: Projection = {
  schema: { name: 'messages', version: 1, collections: [MESSAGE_BUCKETS] },
  documents: [messageBuckets],
  facts: [],
  erasure: { refolded: [{ collection: MESSAGE_BUCKETS.name, subjectIndex: 'by_subject' }] },
};
