/**
 * The ids of recent events, for appends without an exact expected revision. As the real server does, an id is
 * remembered with the first place it was seen in and forgotten after a bounded number of others. Once for life is the
 * command handler's work.
 */
interface Place {
  readonly stream: string;
  readonly revision: number;
}

export class RecentIds {
  private readonly halfMax: number;
  private young = new Map<string, Place>();
  private old = new Map<string, Place>();

  constructor(idsMax: number) {
    this.halfMax = Math.max(1, Math.ceil(idsMax / 2));
  }

  add(id: string, stream: string, revision: number): void {
    if (this.young.has(id) || this.old.has(id)) return;
    if (this.young.size >= this.halfMax) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(id, { stream, revision });
  }

  /** The event did not become durable after all. */
  remove(id: string, stream: string, revision: number): void {
    for (const half of [this.young, this.old]) {
      const place = half.get(id);
      if (place?.stream === stream && place.revision === revision) half.delete(id);
    }
  }

  /** The revision of this event in this stream; undefined where it is not remembered, or was first seen in another. */
  find(id: string, stream: string): number | undefined {
    const place = this.young.get(id) ?? this.old.get(id);
    return place?.stream === stream ? place.revision : undefined;
  }
}
