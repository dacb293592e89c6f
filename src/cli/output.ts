/**
 * What the command says: text for people, or JSON for programs. Colours and the width of a terminal only where there is one. Names and
 * command lines are chosen by others, so what would move a terminal's cursor is spelt out.
 */
import { styleText } from 'node:util';
import { printable } from '../base/printable.js';

export { printable };

export type Colour = Parameters<typeof styleText>[0];

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | undefined;
  readonly right?: true;
  readonly colour?: (row: Row) => Colour | undefined;
}

export class Output {
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WriteStream;
  readonly #colours: boolean;

  constructor(readonly json: boolean, stream: NodeJS.WriteStream = process.stdout, env: NodeJS.ProcessEnv = process.env) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY;
    this.#colours = stream.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  }

  get width(): number {
    return this.isTerminal ? this.#stream.columns : Infinity;
  }

  get height(): number {
    return this.isTerminal ? this.#stream.rows : Infinity;
  }

  write(text: string): void {
    this.#stream.write(text);
  }

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** One JSON value: indented for a terminal, else one line, so that several make JSON lines. */
  value(value: unknown): void {
    this.line(this.isTerminal ? JSON.stringify(value, undefined, 2) : JSON.stringify(value));
  }

  colour(colour: Colour | undefined, text: string): string {
    return this.#colours && colour !== undefined ? styleText(colour, text, { validateStream: false }) : text;
  }

  /** Lines of a table. The last column takes what room there is. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
    const cells = rows.map((row) => columns.map((column) => printable(String(column.of(row) ?? '-'))));
    const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((line) => line[i]!.length)));
    const lay = (line: readonly string[], row?: Row): string => {
      let used = 0;
      const laid = line.map((cell, i) => {
        const isLast = i === columns.length - 1;
        const room = isLast ? Math.max(8, this.width - used) : widths[i]!;
        used += room + 2;
        const cut = cell.length > room ? `${cell.slice(0, room - 1)}…` : cell;
        const padded = columns[i]!.right === true ? cut.padStart(widths[i]!) : isLast ? cut : cut.padEnd(room);
        return row === undefined ? this.colour('bold', padded) : this.colour(columns[i]!.colour?.(row), padded);
      });
      return laid.join('  ').trimEnd();
    };
    return [lay(columns.map(({ title }) => title)), ...cells.map((line, i) => lay(line, rows[i]))];
  }
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function microsecondsText(microseconds: number | undefined): string {
  if (microseconds === undefined) return '-';
  if (microseconds < 1000) return `${Number(microseconds.toPrecision(3))} us`;
  return microseconds < 1_000_000 ? `${Number((microseconds / 1000).toPrecision(3))} ms` : `${Number((microseconds / 1_000_000).toPrecision(3))} s`;
}

/** How long ago: 4 s, 3 min, 2 h, 5 d. */
export function agoText(iso: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
