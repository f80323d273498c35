/** The rooms of a soak: so many at a time, each of which ends after some messages and is followed by a new one. */

/** Some minutes of a busy conversation. */
const POSTS_A_ROOM = 300;

export interface SoakRoom {
  readonly conversation: string;
  /** Whether its start was sent. */
  isBegun: boolean;
  posts: number;
  head: number;
}

export class SoakRooms {
  private readonly rooms: SoakRoom[];
  private made = 0;

  constructor(count: number) {
    this.rooms = Array.from({ length: count }, () => this.make());
    // Spread over their lives from the start on, so that they do not all end at once.
    for (const [index, room] of this.rooms.entries()) room.posts = Math.floor((index * POSTS_A_ROOM) / count);
  }

  /** A room to post to; where its time is over, the one that follows it. */
  toPost(): SoakRoom {
    const index = Math.floor(Math.random() * this.rooms.length);
    let room = this.rooms[index];
    if (!room || room.posts >= POSTS_A_ROOM) room = this.rooms[index] = this.make();
    room.posts += 1;
    return room;
  }

  /** A room that has begun, to listen in. */
  toRead(): SoakRoom | undefined {
    const room = this.rooms[Math.floor(Math.random() * this.rooms.length)];
    return room?.isBegun === true ? room : undefined;
  }

  count(): number {
    return this.made;
  }

  private make(): SoakRoom {
    this.made += 1;
    return { conversation: `soak-${this.made}`, isBegun: false, posts: 0, head: -1 };
  }
}
