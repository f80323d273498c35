/** `npm run bench -- append fan-out`: runs these benchmarks one after the other; without names, says which there are. */
import { readdirSync } from 'node:fs';

const known = readdirSync(import.meta.dirname)
  .filter(file => file.endsWith('.ts') && file !== 'run.ts')
  .map(file => file.slice(0, -3));
const asked = process.argv.slice(2);
const unknown = asked.find(name => !known.includes(name));
if (asked.length === 0 || unknown !== undefined) {
  console.error(
    `${unknown === undefined ? '' : `There is no benchmark "${unknown}". `}Benchmarks: ${known.join(', ')}.`,
  );
  process.exitCode = 2;
} else {
  for (const name of asked) await import(`./${name}.ts`);
}
