/**
 * Processes of a benchmark, so that what is measured shares neither its thread nor its heap with who measures. The
 * parent asks questions by name, the child answers each; a child that ends, or throws, fails what it was asked.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** What a child answers: questions by name, with their details as arguments. Everything must survive JSON. */
export type Answers = Record<string, (...details: never[]) => unknown>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly details: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export interface Child<Given extends Answers> {
  ask<Name extends keyof Given & string>(
    name: Name,
    ...details: Parameters<Given[Name]>
  ): Promise<Awaited<ReturnType<Given[Name]>>>;
  /** At once, with SIGKILL. */
  kill(): Promise<void>;
  /** Lets it end by itself, so that a profile asked for is written. */
  end(): Promise<void>;
}

/** Nothing a benchmark asks takes so long: a burst not received by then makes the figure void. */
const ANSWER_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 10_000;

/** CPU_PROFILE=<folder>: each child writes a profile there when it ends. Under vitest, which has its own, it is given tsx. */
function execArgv(): string[] {
  const folder = process.env.CPU_PROFILE;
  const loader = process.execArgv.some(argument => argument.includes('tsx')) ? process.execArgv : ['--import', 'tsx'];
  return folder ? [...loader, '--cpu-prof', `--cpu-prof-dir=${folder}`] : loader;
}

/** `file` beside this one, without its ending. */
export function startChild<Given extends Answers>(file: string, args: readonly string[]): Child<Given> {
  const child = fork(new URL(`./${file}.ts`, import.meta.url), args, { execArgv: execArgv() });
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let asked = 0;
  child.on('message', (message: unknown) => {
    const { id, value, error } = message as Answer;
    const waiting = open.get(id);
    open.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${file} ${args.join(' ')}: ${error}`));
  });
  child.on('exit', code => {
    for (const { reject } of open.values()) reject(new Error(`${file} ${args.join(' ')} ended with ${code}.`));
    open.clear();
  });
  return {
    ask: async (name, ...details) => {
      const id = ++asked;
      let timer: NodeJS.Timeout | undefined;
      const answered = new Promise<unknown>((resolve, reject) => {
        open.set(id, { resolve, reject });
        timer = setTimeout(() => {
          reject(new Error(`${file} ${args.join(' ')}: no answer to ${name} within ${ANSWER_TIMEOUT_MS} ms.`));
        }, ANSWER_TIMEOUT_MS);
        child.send({ id, name, details } satisfies Question);
      });
      try {
        return (await answered) as never;
      } finally {
        clearTimeout(timer);
      }
    },
    kill: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The child's side. `ended` runs when the parent lets go or is gone. */
export function answerParent(answers: Answers, ended: () => Promise<void> | void): void {
  const say = (answer: Answer) => process.send?.(answer);
  process.on('message', (message: unknown) => {
    const { id, name, details } = message as Question;
    const answer = answers[name] as ((...given: unknown[]) => unknown) | undefined;
    const run = async (): Promise<unknown> => {
      if (!answer) throw new Error(`There is no answer to ${name}.`);
      return answer(...details);
    };
    run().then(
      value => say({ id, value }),
      (error: unknown) => say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on('disconnect', () => {
    void Promise.resolve(ended()).finally(() => process.exit());
  });
}

/** CPU of this whole process between two calls, in microseconds: user and system, all threads. */
export class CpuWindow {
  private started = process.cpuUsage();

  begin(): void {
    this.started = process.cpuUsage();
  }

  end(): number {
    const { user, system } = process.cpuUsage(this.started);
    return user + system;
  }
}
