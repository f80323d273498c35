import type { Projection } from '../projection.ts';
import { CONVERSATIONS, conversations } from './conversations.ts';
import { PARTICIPANTS, participants } from './participants.ts';
import { VOLUME, volume } from './volume.ts';

/** Which conversations there are, who takes part in them, and how much happens: inboxes, lists, analytics. */
export const conversationsProjection: Projection = {
  schema: { name: 'conversations', version: 2, collections: [CONVERSATIONS, PARTICIPANTS, VOLUME] },
  documents: [conversations, participants],
  facts: [volume],
  // The volume is of nobody: it counts, and stays as it is.
  erasure: {
    refolded: [
      { collection: CONVERSATIONS.name, subjectIndex: 'by_subject' },
      { collection: PARTICIPANTS.name, subjectIndex: 'by_subject' },
    ],
  },
};
