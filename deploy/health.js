// Asks the server in this container whether it is well, for Docker's health check: exit code 0 or 1. Node alone is there.
/* global AbortSignal, fetch */
const TIMEOUT_MS = 4_000;
const [path = '/health/live'] = process.argv.slice(2);
const port = process.env.HTTP_PORT || '3000';

try {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await answer.text();
  if (!answer.ok) process.stdout.write(text);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  process.stdout.write(String(error));
  process.exitCode = 1;
}
