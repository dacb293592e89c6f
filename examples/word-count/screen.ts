/**
 * What the user sees while the job runs: lines, and below them one that tells how far it is.
 *
 * On a terminal that last line is written over again and again, and other lines slip in above it. Where the output goes to a
 * file or into a pipe nothing can be written over: there it is a line of its own every ten percent.
 */
const REDRAW_MS = 50;
const BAR = 30;

/** 1,234,567 */
export function figure(value: number): string {
  return value.toLocaleString('en-US');
}

/** A list of short texts in columns; the first one to the left, the others, which are figures, to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!));
  const lines = rows.map((row) => row.map(pad).join('   '));
  return [lines[0]!, widths.map((width) => '─'.repeat(width)).join('   '), ...lines.slice(1)];
}

export class Screen {
  readonly #out: NodeJS.WriteStream;
  #line = '';
  #drawnAt = 0;
  #percent = 0;
  #ended = false;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  say(...lines: string[]): void {
    if (this.#ended) return;
    this.#erase();
    for (const line of lines) this.#out.write(`${line}\n`);
    this.#draw();
  }

  /** A part of the job is at `done` of `total` files. Where it can't be written over: a line each `step` percent. */
  progress(part: string, done: number, total: number, step = 10): void {
    if (this.#ended) return;
    const percent = Math.floor((done / total) * 100);
    const text = `${part.padEnd(14)} ${String(percent).padStart(3)}%   ${figure(done)} of ${figure(total)} files`;
    if (this.#out.isTTY) this.#overwrite(`  ${bar(done / total)}  ${text}`, done === total);
    else if (Math.floor(percent / step) > Math.floor(this.#percent / step)) this.#out.write(`  ${text}\n`);
    this.#percent = percent;
  }

  /** From now on nothing is shown: what dying processes cause to be said helps nobody. */
  end(): void {
    this.#keep();
    this.#ended = true;
  }

  #overwrite(line: string, last: boolean): void {
    this.#line = line;
    const now = performance.now();
    if (!last && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#erase();
    this.#draw();
    if (last) this.#keep();
  }

  /** Leaves the last line as it is; what is said next comes below. */
  #keep(): void {
    if (this.#line !== '') this.#out.write('\n');
    this.#line = '';
  }

  #draw(): void {
    if (this.#line !== '') this.#out.write(this.#line.slice(0, (this.#out.columns || 80) - 1));
  }

  #erase(): void {
    if (this.#line !== '') this.#out.write('\r\x1b[2K');
  }
}

function bar(part: number): string {
  const full = Math.round(part * BAR);
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}
