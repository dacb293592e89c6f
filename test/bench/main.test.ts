/** The benchmark as a program: what it writes, what it ends with. Its figures are nobody's business here. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Results } from '../../bench/report.js';
import { atEnd } from '../support/at-end.js';

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly results: () => Omit<Results, 'figures'> & { readonly figures: readonly { peer: string; case: string; metric: string; median: number; rounds: number[] }[] };
}

async function bench(t: TestContext, ...flags: string[]): Promise<Ran> {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const json = join(directory, 'figures.json');
  const child = spawn(process.execPath, [new URL('../../bench/main.js', import.meta.url).pathname, '--json', json, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(t, () => child.kill());
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output, results: () => JSON.parse(readFileSync(json, 'utf8')) as ReturnType<Ran['results']> };
}

test('a short run of one peer writes its figures as JSON, with every budget, and ends with 0', async (t) => {
  const { code, output, results } = await bench(t, '--quick', '--rounds', '1', '--only', '^garbage: alpc awaited, on$');
  assert.equal(code, 0, output);
  const { pace, rounds, figures, verdicts, failures } = results();
  assert.deepEqual([pace, rounds, failures], ['quick', 1, []]);
  assert.ok(figures.length > 0 && figures.every(({ peer, median }) => peer === 'alpc awaited, on' && Number.isFinite(median)), JSON.stringify(figures));
  const measured = verdicts.filter(({ holds }) => holds !== 'NOT MEASURED' && holds !== 'skipped');
  assert.deepEqual(measured.map(({ budget, value }) => [budget.what, typeof value]), [['heap garbage of an awaited call', 'number']]);
});

test('--check ends with 1 where budgets were not measured', async (t) => {
  const { code, output, results } = await bench(t, '--check', '--rounds', '1', '--only', '^nothing$');
  assert.equal(code, 1, output);
  assert.deepEqual(results().figures, []);
  assert.match(output, /NOT MEASURED/);
});

test('wrong flags are told in a line and end with 2: --check with --quick, whose figures are too short for budgets, among them', async (t) => {
  for (const [flags, line] of [[['--quick', '--check'], /^--check needs full figures/m], [['--rounds', '0'], /^--rounds must be a whole number from 1/m], [['--qick'], /--qick/]] as const) {
    const { code, output } = await bench(t, ...flags);
    assert.equal(code, 2);
    assert.match(output, line);
  }
});
