import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUDGETS, comparedIn, isSuccess, judge, type Verdict } from '../../bench/budgets.js';
import { Figures, type FigureName } from '../../bench/core/figures.js';
import { ratio } from '../../bench/core/table.js';

const first = BUDGETS[0]!;

function figuresOf(...named: [FigureName, ...number[]][]): Figures {
  const figures = new Figures();
  for (const [name, ...rounds] of named) {
    for (const value of rounds) figures.add(name.scenario, name.peer, [{ case: name.case, metric: name.metric, value }]);
  }
  return figures;
}

test('a budget holds by the ratio of the medians of the rounds', () => {
  const holds = judge(figuresOf([first.figure, 1, 1, 900], [first.against!, 60, 61, 5]))[0]!;
  assert.deepEqual([holds.holds, holds.measured, holds.asked], ['yes', '1/60', 'at most 1/60 net echo']);
  const fails = judge(figuresOf([first.figure, 1.1], [first.against!, 60]))[0]!;
  assert.equal(fails.holds, 'NO');
  assert.deepEqual([holds.value, fails.value], [1 / 60, 1.1 / 60], 'for programs the ratio is a number');
});

test('a run is a success when every budget holds or is skipped, and no job failed', () => {
  const verdict = (holds: 'yes' | 'NO' | 'NOT MEASURED' | 'skipped'): Verdict => ({ budget: first, asked: '', measured: '', holds });
  assert.ok(isSuccess([verdict('yes'), verdict('skipped')], []));
  assert.ok(!isSuccess([verdict('yes')], ['a job failed']));
  for (const holds of ['NO', 'NOT MEASURED'] as const) assert.ok(!isSuccess([verdict('yes'), verdict(holds)], []));
});

test('what was not measured does not hold', () => {
  assert.equal(judge(figuresOf([first.figure, 1]))[0]!.holds, 'NOT MEASURED');
  assert.ok(judge(new Figures()).every(({ holds }) => holds === 'NOT MEASURED'));
});

test('without the baseline in C its budget is skipped, and no other', () => {
  const skipped = judge(new Figures(), 'there is no C compiler').filter(({ holds }) => holds === 'skipped');
  assert.deepEqual(skipped.map(({ budget }) => budget.against?.peer), ['C spin']);
});

test('who is compared in a scenario are those whose figures a budget holds against a limit, or another against theirs', () => {
  assert.deepEqual([...comparedIn('taking')], ['alpc awaited, completion list', 'alpc awaited, on']);
  assert.deepEqual([...comparedIn('idle')], ['alpc awaited, on']);
  assert.deepEqual([...comparedIn('unpinned')], []);
});

test('ratios are written as one says them', () => {
  assert.deepEqual([1 / 60, 0.125, 1, 8, 12.34, NaN].map(ratio), ['1/60', '1/8', '1x', '8x', '12.3x', '-']);
});
