/** A process of the kill storm that is told what to do by messages, and answers each order by a message of the same `op`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const TSX = import.meta.resolve('tsx');
const ERRORS_KEPT = 8_000;

export interface KillChild<Order extends { readonly op: string }> {
  /** @throws Error where it ends, or `withinMs` pass, before it has answered */
  tell<Answer extends { readonly op: Order['op'] }>(order: Order, withinMs: number): Promise<Answer>;
  kill(): void;
}

/** `file` beside this one. */
export function startKillChild<Order extends { readonly op: string }>(
  file: string,
  environment: Readonly<Record<string, string>>,
): KillChild<Order> {
  const child = spawn(process.execPath, ['--import', TSX, join(import.meta.dirname, file)], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-ERRORS_KEPT)));
  return {
    tell: (order, withinMs) =>
      new Promise((resolve, reject) => {
        const end = (what: string): void => {
          clearTimeout(timer);
          child.off('message', take).off('exit', exited);
          if (what !== '') reject(new Error(`${file} ${what} before it had done ${order.op}:\n${errors}`));
        };
        const take = (answer: { op: string }): void => {
          if (answer.op !== order.op) return;
          end('');
          resolve(answer as never);
        };
        const exited = (code: number | null): void => {
          end(`ended with ${code}`);
        };
        const timer = setTimeout(() => {
          end(`took over ${withinMs} ms`);
        }, withinMs);
        child.on('message', take).on('exit', exited);
        child.send(order);
      }),
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}
