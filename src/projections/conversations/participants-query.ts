/** Who took part in a conversation, and in which conversations somebody took part, the latest first. */
import type { Generation, IndexWalk, Scalar } from '../../read-store/read-store.ts';
import type { Shown } from '../read-models.ts';
import { PARTICIPANTS } from './participants.ts';
import type { ParticipantDocument } from './participants.ts';

/** Of whose documents. */
export type ParticipantSelection =
  | { readonly tenant: string; readonly conversation: string }
  | { readonly tenant: string; readonly participant: string };

/** Values of the index's fields behind the equal ones, of the last document seen. */
export type ParticipantPlace = readonly string[];

export interface ParticipantPage extends Shown {
  readonly documents: readonly ParticipantDocument[];
  /** Undefined: there are no more. */
  readonly next: ParticipantPlace | undefined;
}

export function isParticipantPlaceOf(selection: ParticipantSelection, place: ParticipantPlace): boolean {
  return place.length === ('conversation' in selection ? 1 : 2);
}

/** `limit` at least 1. Who acts while pages are read comes to the front of a participant's conversations. */
export async function listParticipants(
  generation: Pick<Generation, 'walk'>,
  selection: ParticipantSelection,
  place: ParticipantPlace | undefined,
  limit: number,
): Promise<ParticipantPage> {
  const isOfConversation = 'conversation' in selection;
  const walk: Pick<IndexWalk, 'index' | 'direction' | 'equals'> = isOfConversation
    ? { index: 'by_conversation', direction: 'forwards', equals: { ...selection } }
    : { index: 'by_participant', direction: 'backwards', equals: { ...selection } };
  const after: readonly Scalar[] | undefined = place;
  const { documents, position } = await generation.walk<ParticipantDocument>({
    ...{ collection: PARTICIPANTS.name, limit, ...walk },
    ...(after === undefined ? {} : { after }),
  });
  const last = documents.at(-1);
  const placeOfLast = last && (isOfConversation ? [last._id] : [last.lastAt, last._id]);
  return { documents, position, next: documents.length === limit ? placeOfLast : undefined };
}
