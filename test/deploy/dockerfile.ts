/** A Dockerfile as stages of instructions, and this project's rules over it as functions, so that faults can be planted. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../support/server-process.ts';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

interface Dockerfile {
  readonly all: readonly Instruction[];
  readonly stages: readonly Stage[];
}

/** Comments dropped, lines joined, the defaults of ARG filled into FROM. */
export function readDockerfile(text: string): Dockerfile {
  const lines = text
    .split('\n')
    .filter(line => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n/g, ' ')
    .split('\n');
  const all = lines.map((line): Instruction => {
    const [, name = '', rest = ''] = /^\s*(\w+)\s+(.*)$/.exec(line) ?? [];
    return { name: name.toUpperCase(), rest: rest.trim() };
  });
  const defaults = new Map<string, string>();
  for (const { name, rest } of all) {
    const [arg = '', value = ''] = rest.split('=', 2);
    if (name === 'ARG') defaults.set(arg, value);
  }
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of all) {
    if (instruction.name === 'FROM') {
      const [image = '', , name] = instruction.rest.split(/\s+/);
      const filled = image.replace(/\$\{(\w+)\}/g, (_, arg: string) => defaults.get(arg) ?? '');
      stages.push({ image: filled, name, instructions: [] });
    } else stages.at(-1)?.instructions.push(instruction);
  }
  return { all, stages };
}

type Rule = (file: Dockerfile) => string[];

export const DOCKERFILE_RULES: Readonly<Record<string, Rule>> = {
  'every stage begins with Node 22 of a pinned version': ({ stages }) =>
    stages.filter(({ image }) => !/^node:22\.\d+\.\d+-[\w-]+$/.test(image)).map(({ image }) => image),

  'it is built in one stage and run in another': ({ stages }) =>
    stages.length >= 2 && !last(stages).some(({ name, rest }) => name === 'RUN' && /npm|node/.test(commandOf(rest)))
      ? []
      : ['npm runs in the last stage'],

  'what runs has no development dependencies, and no package’s script was run': ({ all, stages }) => {
    const installs = all.filter(({ name, rest }) => name === 'RUN' && rest.startsWith('npm '));
    const modules = last(stages).find(({ name, rest }) => name === 'COPY' && rest.includes('node_modules'));
    const from = stages.find(({ name }) => name !== undefined && modules?.rest.includes(`--from=${name} `));
    const omits = from?.instructions.some(({ rest }) => /^npm ci .*--omit=dev/.test(rest)) === true;
    return [
      ...(omits ? [] : ['node_modules does not come from `npm ci --omit=dev`']),
      ...installs
        .map(({ rest }) => rest)
        .filter(rest => !rest.startsWith('npm run ') && !/^npm ci .*--ignore-scripts/.test(rest)),
    ];
  },

  'what runs is not root': ({ stages }) => {
    const users = last(stages).filter(({ name }) => name === 'USER');
    return /^(root|0)?(:|$)/.test(users.at(-1)?.rest ?? '') ? ['USER'] : [];
  },

  'it has a health check, a process that gets the signals, and SIGTERM as the one that stops it': ({ stages }) =>
    ['HEALTHCHECK', 'ENTRYPOINT', 'STOPSIGNAL'].filter(name => {
      const rest = last(stages).find(one => one.name === name)?.rest ?? '';
      if (name === 'STOPSIGNAL') return rest !== 'SIGTERM';
      return !rest.includes(name === 'ENTRYPOINT' ? '["node"' : 'CMD ["node"');
    }),

  'no secret is baked in': ({ all }) =>
    all
      .filter(({ name }) => name === 'ENV' || name === 'ARG')
      .map(({ rest }) => rest)
      .filter(rest => /SECRET|PASSWORD|TOKEN|KEY|_URL/.test(rest)),

  'what is copied from here is there, and never the folder as a whole': ({ all }) =>
    copiedFromHere(all).filter(path => path === '.' || !existsSync(join(REPOSITORY, path))),
};

/** What COPY takes from the folder that the image is built in. */
export function copiedFromHere(instructions: readonly Instruction[]): string[] {
  return instructions
    .filter(({ name, rest }) => (name === 'COPY' || name === 'ADD') && !rest.includes('--from='))
    .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1));
}

/** A .dockerignore that begins with `*`: whether what follows lets this path through. */
export function isSent(ignore: string, path: string): boolean {
  const [first, ...rest] = ignore.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  if (first !== '*' || rest.some(line => !line.startsWith('!'))) throw new Error('It must name what is let through.');
  return rest.some(line => path === line.slice(1) || path.startsWith(`${line.slice(1)}/`));
}

function last(stages: readonly Stage[]): readonly Instruction[] {
  return stages.at(-1)?.instructions ?? [];
}

/** The program of a RUN, so that `--owner=node` is not taken for one. */
function commandOf(rest: string): string {
  return rest.split(/\s+/, 1)[0] ?? '';
}
