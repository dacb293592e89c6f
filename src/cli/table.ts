/**
 * A table as lines of text: in a file as wide as it is, on a terminal never wider than that, for a line that is broken moves all that is below it.
 *
 * What gives way first is text, which is cut, the last column before the first; then whole columns, as they say of themselves. Figures are
 * whole or not there: one that is cut is another figure. Width is counted in places of a terminal: some letters take two, some none.
 */
import type { styleText } from 'node:util';
import { printable } from '../base/printable.js';

export type Colour = Parameters<typeof styleText>[0];

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | undefined;
  /** A figure, flush right. */
  readonly right?: true;
  readonly colour?: (row: Row) => Colour | undefined;
  /** Of text: so many places it keeps; 8 when left out. */
  readonly least?: number;
  /** Where there is no room for all, columns with a number are left out, the highest first. 0, or left out: it stays. */
  readonly spare?: number;
}

interface Laid<Row> {
  readonly column: Column<Row>;
  /** The title, and then a cell for each row. */
  readonly cells: readonly string[];
  readonly natural: number;
  readonly least: number;
}

const GAP = 2;
const LEAST = 8;

/** The title's line, and one for each row. */
export function tableLines<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number, paint: (colour: Colour | undefined, text: string) => string): string[] {
  const shown = withRooms(fitting(columns.map((column) => lay(column, rows)), width), width);
  return [undefined, ...rows].map((row, line) =>
    shown
      .map(({ column, cells, room }, i) => {
        const cut = cutTo(cells[line]!, room);
        const blank = ' '.repeat(room - placesOf(cut));
        const padded = column.right === true ? blank + cut : i === shown.length - 1 ? cut : cut + blank;
        return paint(row === undefined ? 'bold' : column.colour?.(row), padded);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

function lay<Row>(column: Column<Row>, rows: readonly Row[]): Laid<Row> {
  const cells = [column.title, ...rows.map((row) => printable(String(column.of(row) ?? '-')))];
  const natural = Math.max(...cells.map(placesOf));
  return { column, cells, natural, least: column.right === true ? natural : Math.min(natural, column.least ?? LEAST) };
}

/** Without the columns that can be spared, as far as there is no room for them. */
function fitting<Row>(all: readonly Laid<Row>[], width: number): readonly Laid<Row>[] {
  if (leastOf(all) <= width) return all;
  const most = Math.max(...all.map(({ column }) => column.spare ?? 0));
  return most === 0 ? all : fitting(all.filter(({ column }) => column.spare !== most), width);
}

/** Each gets what it needs, and the first ones what is left. If even that is too much, the terminal ends where it ends. */
function withRooms<Row>(shown: readonly Laid<Row>[], width: number): (Laid<Row> & { readonly room: number })[] {
  let [left, rest] = [Math.max(0, width - leastOf(shown)), width];
  return shown
    .map((laid) => {
      const more = Math.min(left, laid.natural - laid.least);
      const room = Math.max(0, Math.min(rest, laid.least + more));
      left -= more;
      rest -= room + GAP;
      return { ...laid, room };
    })
    .filter(({ room }) => room > 0);
}

function leastOf(laid: readonly Laid<never>[]): number {
  return laid.reduce((sum, { least }) => sum + least + GAP, -GAP);
}

/** Letters that take two places of a terminal (East Asian ones, pictures), and marks that take none. Those in doubt are taken for wide. */
const WIDE = /[\u{1100}-\u{115F}\u{2E80}-\u{A4CF}\u{AC00}-\u{D7A3}\u{F900}-\u{FAFF}\u{FE30}-\u{FE6F}\u{FF00}-\u{FF60}\u{FFE0}-\u{FFE6}\u{1F000}-\u{1FAFF}\u{20000}-\u{3FFFD}\p{Emoji_Presentation}]/u;
const MARK = /[\p{Mn}\p{Me}]/u;
const PICTURE_FOLLOWS = '\uFE0F';

/** How many places of a terminal it takes, or more. */
export function placesOf(text: string): number {
  let places = 0;
  for (const letter of text) places += placesOfLetter(letter);
  return places;
}

function placesOfLetter(letter: string): number {
  if (letter <= '~') return 1;
  return WIDE.test(letter) ? 2 : letter !== PICTURE_FOLLOWS && MARK.test(letter) ? 0 : 1;
}

function cutTo(text: string, room: number): string {
  if (placesOf(text) <= room) return text;
  let [cut, left] = ['', room - 1];
  for (const letter of text) {
    left -= placesOfLetter(letter);
    if (left < 0) break;
    cut += letter;
  }
  return `${cut}…`;
}
