/** Tables in plain text: the first column to the left, figures to the right. */

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ').trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Three significant digits at least, and no more behind the point than they need: 0.312, 4.71, 53.2, 1204. */
export function number(value: number, digits?: number): string {
  if (!Number.isFinite(value)) return '-';
  if (digits !== undefined) return value.toFixed(digits);
  const size = Math.abs(value);
  return value.toFixed(size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0);
}

/** A ratio as one says it: 12.3x, or 1/81 where it is small. */
export function ratio(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value < 0.5 ? `1/${plain(1 / value)}` : `${plain(value)}x`;
}

/** Without the zeros that say nothing: 8, not 8.00. */
function plain(value: number): string {
  return `${Number(number(value))}`;
}
