/** What the command says: text for people, or JSON for programs. Colours and the width of a terminal only where there is one. */
import { styleText } from 'node:util';
import { printable } from '../base/printable.js';
import { type Colour, type Column, tableLines } from './table.js';

export { printable };

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
    return this.isTerminal ? this.#stream.columns || 80 : Infinity; // some terminals do not know, and say 0
  }

  get height(): number {
    return this.isTerminal ? this.#stream.rows || 24 : Infinity;
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

  /** Lines of a table, none of them wider than the terminal. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
    return tableLines(rows, columns, this.width, (colour, text) => this.colour(colour, text));
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

/** What is said beside whatever others may hide, "nobody waits" say; nothing where all could be looked into. */
export function asFarAsSeen(hiddenProcesses: number): string | undefined {
  return hiddenProcesses === 0 ? undefined : `as far as can be seen: ${hiddenProcesses} ${hiddenProcesses === 1 ? 'process' : 'processes'} can't be looked into`;
}

/** How long ago: 4 s, 3 min, 2 h, 5 d. */
export function agoText(iso: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
