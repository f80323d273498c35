/**
 * A crowd that has talked: 100 visitors with a conversation each, some with two, and the visitor to be erased, who has
 * also answered as an agent in others' conversations. Every text, and every name, bears words that stand nowhere else.
 */

export interface Said {
  readonly id: string;
  readonly conversation: string;
  readonly at: string;
  readonly author: string;
  readonly role: 'visitor' | 'agent';
  readonly text: string;
}

const VISITORS = 100;
/** Who is to be erased, by the name the file knows. */
export const ERASED = 'visitor_17_cassandra';

const nameOf = (n: number): string => (n === 17 ? ERASED : `visitor_${n}_name`);

export function crowd(): Said[] {
  const lines: Said[] = [];
  const at = (n: number): string => new Date(Date.UTC(2020, 0, 1) + n * 1_000).toISOString();
  const talk = (conversation: string, visitor: string, agents: readonly string[]): void => {
    const speakers = [visitor, ...agents, visitor];
    speakers.forEach((author, i) => {
      lines.push({
        id: `${conversation}.${i}`,
        conversation,
        at: at(i),
        author,
        role: author === visitor ? 'visitor' : 'agent',
        text: `secret of ${conversation} line ${i}: ${Buffer.from(`${conversation}/${i}`).toString('hex')}`,
      });
    });
  };
  for (let n = 0; n < VISITORS; n += 1) {
    talk(`c${n}`, nameOf(n), ['agent_smith', ...(n % 10 === 3 ? [ERASED] : [])]);
    if (n % 10 === 7) talk(`c${n}-again`, nameOf(n), ['agent_jones']);
  }
  return lines;
}

export const asFile = (lines: readonly Said[]): string => lines.map(line => `${JSON.stringify(line)}\n`).join('');
