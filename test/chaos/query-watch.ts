/**
 * Asks queries all the time, of conversations whose posts it is told were acked, and notes every answer that is late, empty or
 * wrong: with `minPosition` it must show at least what was acked before it was asked.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PostedRoom, SteadyPoster } from './steady-posters.ts';

const PAUSE_MS = 8;
const COMPLAINTS_MAX = 100;
const DAY_MS = 86_400_000;
const PAGE = 50;

/** `plain`: whatever there is; `own`: with `minPosition` from an ack. */
export type Way = 'plain' | 'own';

export interface Sample {
  readonly kind: string;
  readonly way: Way;
  readonly ms: number;
}

interface Answer {
  readonly position: string | null;
  readonly conversations?: readonly { readonly conversation: string; readonly messages: number }[];
  readonly messages?: readonly { readonly seq: number; readonly rev: number }[];
  readonly participants?: readonly object[];
  readonly totals?: { readonly messages: number };
}

interface Query {
  readonly kind: string;
  readonly path: string;
  /** What is wrong with the answer, by what had been acked when it was asked. */
  readonly fault: (answer: Answer) => string | undefined;
}

export interface QueryWatchOptions {
  readonly httpUrl: string;
  readonly token: string;
  readonly poster: SteadyPoster;
  readonly random: () => number;
}

export class QueryWatch {
  /** Since `take` was last called. */
  private samples: Sample[] = [];
  asked = 0;
  readonly complaints: string[] = [];
  private readonly options: QueryWatchOptions;
  private readonly seenMost = new Map<string, number>();

  constructor(options: QueryWatchOptions) {
    this.options = options;
  }

  async run(signal: AbortSignal, atOnce: number): Promise<void> {
    const ask = async (): Promise<void> => {
      while (!signal.aborted) {
        await this.ask();
        await delay(PAUSE_MS);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, ask));
  }

  take(): Sample[] {
    const { samples } = this;
    this.samples = [];
    return samples;
  }

  private async ask(): Promise<void> {
    const { httpUrl, token, poster, random } = this.options;
    const room = poster.rooms[Math.floor(random() * poster.rooms.length)];
    if (room === undefined) return;
    const way: Way = random() < 0.5 ? 'plain' : 'own';
    const queries = this.queries(room, way);
    const query = queries[Math.floor(random() * queries.length)];
    if (query === undefined) return;
    const { position } = poster;
    const path = way === 'own' ? `${query.path}&minPosition=${position}` : query.path;
    const askedMs = performance.now();
    const response = await fetch(`${httpUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    this.samples.push({ kind: query.kind, way, ms: performance.now() - askedMs });
    this.asked += 1;
    const fault = response.status === 200 ? faultOf(query, JSON.parse(text) as Answer, way, position) : text;
    if (fault !== undefined && this.complaints.length < COMPLAINTS_MAX)
      this.complaints.push(`${path}: ${response.status} ${fault}`);
  }

  private queries(room: PostedRoom, way: Way): readonly Query[] {
    const { posts, lastRev, conversation, visitor } = room;
    const { posts: allPosts, rooms } = this.options.poster;
    const names = {
      summary: `the summary of ${conversation}`,
      messages: `the messages of ${conversation}`,
      participants: `who takes part in ${conversation}`,
      volume: 'the volume',
    };
    // Without a position nothing is promised but that what was shown before stays. By now, not by when it is answered.
    const least = (name: string, acked: number): number => (way === 'own' ? acked : (this.seenMost.get(name) ?? 0));
    const leastMessages = least(names.messages, posts);
    const growing = (name: string, acked: number): ((count: number | undefined) => string | undefined) => {
      const atLeast = least(name, acked);
      return (count = -1) => {
        this.seenMost.set(name, Math.max(this.seenMost.get(name) ?? 0, count));
        return count >= atLeast ? undefined : `shows ${count}, not ${atLeast}, of ${name}`;
      };
    };
    const summary = growing(names.summary, posts);
    const messagesGrow = growing(names.messages, posts);
    const volume = growing(names.volume, allPosts);
    const participants = growing(names.participants, 1);
    const [from, to] = [-1, 2].map(days => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10));
    return [
      {
        ...{ kind: 'list', path: `/v1/conversations?limit=${PAGE}` },
        fault: ({ conversations = [] }) => {
          const distinct = new Set(conversations.map(each => each.conversation)).size;
          return distinct === Math.min(PAGE, rooms.length) ? undefined : `lists ${distinct}`;
        },
      },
      {
        ...{ kind: 'list of a visitor', path: `/v1/conversations?visitor=${visitor}` },
        fault: ({ conversations = [] }) =>
          conversations.length === 1 ? summary(conversations[0]?.messages) : `lists ${conversations.length}`,
      },
      {
        ...{ kind: 'transcript', path: `/v1/conversations/${conversation}/messages?limit=${PAGE}` },
        fault: ({ messages = [] }) => {
          const first = messages[0]?.seq ?? 0;
          if (messages.some(({ seq }, i) => seq !== first + i)) return 'has a gap';
          // Where nothing was posted yet its last revision is the start, which is no message.
          if (way === 'own' && posts > 0 && (messages.at(-1)?.rev ?? -1) < lastRev)
            return `ends before revision ${lastRev}`;
          if (messages.length < Math.min(PAGE, leastMessages)) return 'is too short';
          return messagesGrow((messages.at(-1)?.seq ?? -1) + 1);
        },
      },
      {
        ...{ kind: 'volume', path: `/v1/volume?from=${from ?? ''}&to=${to ?? ''}&by=hour` },
        fault: ({ totals }) => volume(totals?.messages),
      },
      {
        ...{ kind: 'participants', path: `/v1/conversations/${conversation}/participants?limit=${PAGE}` },
        fault: answer => participants(answer.participants?.length),
      },
    ];
  }
}

function faultOf(query: Query, answer: Answer, way: Way, position: string): string | undefined {
  if (answer.position === null) return 'shows no position';
  if (way === 'own' && BigInt(answer.position) < BigInt(position)) return `shows ${answer.position}, not ${position}`;
  return query.fault(answer);
}
