/** Every projection of the product: what a server projects, rebuilds and verifies. */
import { conversationsProjection } from './conversations/projection.ts';
import { messagesProjection } from './messages/projection.ts';
import type { Projection } from './projection.ts';

export const PROJECTIONS: readonly Projection[] = [messagesProjection, conversationsProjection];
