/** Small plots of numbers over time, one under the other, as one SVG. */

export interface LinePlot {
  readonly title: string;
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const WIDTH = 900;
const HEIGHT = 150;
const LEFT = 64;
const TOP = 24;
const BOTTOM = 18;
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700'];

/** @param times one a value, in seconds */
export function linePlotsSvg(heading: string, times: readonly number[], plots: readonly LinePlot[]): string {
  const height = 40 + plots.length * HEIGHT;
  const parts = plots.map((plot, index) => plotSvg(plot, times, 40 + index * HEIGHT));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="8" y="22" font-size="14">${escaped(heading)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function plotSvg({ title, lines }: LinePlot, times: readonly number[], y: number): string {
  const high = Math.max(1e-9, ...lines.flatMap(({ values }) => values.filter(Number.isFinite))) * 1.1;
  const end = Math.max(1, times.at(-1) ?? 1);
  const [base, ceiling] = [y + HEIGHT - BOTTOM, y + TOP];
  const x = (seconds: number): number => LEFT + (seconds / end) * (WIDTH - LEFT - 10);
  const scaled = (value: number): number => base - (value / high) * (base - ceiling);
  const paths = lines.map(({ values }, index) => {
    const points = values.flatMap((value, at) =>
      Number.isFinite(value) ? [`${x(times[at] ?? 0).toFixed(1)},${scaled(value).toFixed(1)}`] : [],
    );
    return `<polyline fill="none" stroke="${COLOURS[index % COLOURS.length] ?? ''}" points="${points.join(' ')}"/>`;
  });
  const names = lines.map(
    ({ name }, index) => `<tspan fill="${COLOURS[index % COLOURS.length] ?? ''}"> ${escaped(name)}</tspan>`,
  );
  const label = (value: number): string =>
    `<text x="${LEFT - 6}" y="${scaled(value) + 4}" text-anchor="end" fill="#666">${value < 10 ? value.toFixed(1) : Math.round(value)}</text>`;
  return [
    `<text x="${LEFT}" y="${y + 14}">${escaped(title)}:${names.join('')}</text>`,
    `<path d="M${LEFT} ${ceiling}V${base}H${WIDTH - 10}" fill="none" stroke="#999"/>`,
    label(0),
    label(high / 1.1),
    `<text x="${WIDTH - 10}" y="${base + 14}" text-anchor="end" fill="#666">${Math.round(end / 60)} min</text>`,
    ...paths,
  ].join('\n');
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
