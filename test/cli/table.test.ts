/** Tables: whole where there is room, never wider than the terminal, and what is left out or cut is what matters least. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPort } from '../../src/index.js';
import { type Column, placesOf, tableLines } from '../../src/cli/table.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { startClient, startServer } from '../explorer/scene.js';
import { inTerminal } from './run.js';

withLedger({ whole: true });

interface Row {
  readonly name: string;
  readonly count: number;
  readonly note: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'Count', of: ({ count }) => count, right: true, spare: 1 },
  { title: 'Name', of: ({ name }) => name, least: 6 },
  { title: 'Note', of: ({ note }) => note, spare: 2 },
];
const ROWS: readonly Row[] = [{ name: 'a long name', count: 12_345, note: 'a note of some length' }, { name: 'b', count: 1, note: '' }];

function draw(width: number, rows = ROWS): string[] {
  return tableLines(rows, COLUMNS, width, (_, text) => text);
}

test('in a file a table is as wide as what stands in it', () => {
  assert.deepEqual(draw(Infinity), ['Count  Name         Note', '12345  a long name  a note of some length', '    1  b']);
});

test('on a terminal text is cut, the last column first, then columns are left out, those that can be spared most first, and figures stay whole', () => {
  assert.deepEqual(draw(30), ['Count  Name         Note', '12345  a long name  a note of…', '    1  b']);
  assert.deepEqual(draw(24), ['Count  Name     Note', '12345  a long…  a note …', '    1  b']);
  assert.deepEqual(draw(20), ['Count  Name', '12345  a long name', '    1  b']);
  assert.deepEqual(draw(12), ['Name', 'a long name', 'b']);
  assert.deepEqual(draw(3), ['Na…', 'a …', 'b']);
});

test('no line is wider than the terminal, whatever stands in it and however narrow it is', () => {
  const rows = [...ROWS, { name: '漢字の名前がここにある', count: 2 ** 40, note: '🙂🙂🙂🙂🙂🙂' }, { name: 'e\u0301'.repeat(30), count: 0, note: 'ﬃ한국어' }];
  for (let width = 1; width < 100; width++) for (const line of draw(width, rows)) assert.ok(placesOf(line) <= width, `${width}: ${line}`);
});

test('letters that take two places of a terminal count as two, marks on letters as none', () => {
  for (const [text, places] of [['abc', 3], ['漢字', 4], ['한', 2], ['e\u0301', 1], ['🙂', 2], ['é', 1], ['ｆ', 2]] as const) assert.equal(placesOf(text), places, text);
});

/** What was drawn, line by line, without colours and other orders to the terminal. */
function linesOf(out: string): string[] {
  // oxlint-disable-next-line no-control-regex -- it is what is looked for
  return out.split(/\r?\n|\u001B\[H/).map((line) => line.replaceAll(/\u001B\[[?\d;]*[A-Za-z]/g, '').trimEnd());
}

for (const columns of [80, 60]) {
  test(`top and ps keep within a terminal of ${columns} columns, whatever ports and programs are called, and the figures and the names stay`, async (t) => {
    temporaryRoot(t, { leftovers: true });
    const long = `\\RPC Control\\${'a name that is too long for a line '.repeat(4)}`;
    const port = await createPort(long);
    atEnd(t, () => port.close());
    const server = await startServer(t, '\\RPC Control\\short');
    await startClient(t, '\\RPC Control\\short');
    const top = linesOf((await inTerminal(['top', '-i', '100'], [[/RPC Control\\short/, 'c'], [/sorted by connections[^]*short[^]*sorted/, 'q']], columns)).out);
    const ps = linesOf((await inTerminal(['ps'], [], columns)).out);
    const show = linesOf((await inTerminal(['show', '\\RPC Control\\short'], [], columns)).out).filter((line) => /^(?:Connection|\d+) /.test(line));
    assert.ok(show.length >= 4);
    for (const line of [...top, ...ps, ...show]) assert.ok(line.length <= columns, `${line.length}: ${line}`);
    assert.match(top.join('\n'), /^Messages\/s +Bytes\/s .*Waiting .*Port/m);
    assert.match(top.join('\n'), /^Messages\/s .*Connections .*Waiting .*Port$/m, 'what it is sorted by stays');
    assert.match(top.join('\n'), /^ +0 +0 B .*\\RPC Control\\a name.*…$/m);
    assert.match(ps.join('\n'), /^ *PID .*State .*Waiting .*Ports/);
    assert.match(ps.join('\n'), new RegExp(`^ *${server.pid} .* \\\\RPC Control.*`, 'm'));
  });
}
