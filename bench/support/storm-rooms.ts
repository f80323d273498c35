/** The `sub` of the visitor of the room of this place in a storm's plan. */
export const visitorOf = (room: number): string => `visitor-${room}`;
