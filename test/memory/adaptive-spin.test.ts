/** How long to look before sleeping: full while that pays, soon nothing when it does not, and now and then a probe. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { AdaptiveSpin } from '../../src/memory/adaptive-spin.js';

test('it begins full and stays full while it pays', () => {
  const spin = new AdaptiveSpin(3000);
  for (let i = 0; i < 10; i++) {
    assert.equal(spin.next(), 3000);
    spin.paid();
  }
});

test('it halves each time that it was wasted, and ends at nothing', () => {
  const spin = new AdaptiveSpin(3000);
  const budgets: number[] = [];
  for (let budget = spin.next(); budget > 0; budget = spin.next()) {
    budgets.push(budget);
    spin.wasted();
  }
  assert.deepEqual(budgets, [3000, 1500, 750, 375, 187, 93, 46, 23]);
});

test('looks that go to many places are so many fewer, but never none', () => {
  const spin = new AdaptiveSpin(3000);
  assert.deepEqual([0, 1, 2, 1000, 10_000].map((places) => spin.next(places)), [3000, 3000, 1500, 3, 1]);
  assert.equal(new AdaptiveSpin(0).next(5), 0);
});

test('at nothing every 32nd wait is a probe, eight times as long as any other; a probe that is wasted leaves it at nothing, one that pays makes it full', () => {
  const spin = new AdaptiveSpin(64);
  for (let budget = spin.next(); budget > 0; budget = spin.next()) spin.wasted();
  // The look that ended the loop was the first at nothing.
  const round = (skipped: number): void => {
    for (let i = skipped; i < 31; i++) assert.equal(spin.next(), 0);
    assert.equal(spin.next(), 512);
  };
  round(1);
  spin.wasted();
  round(0);
  spin.wasted();
  round(0);
  spin.paid();
  assert.equal(spin.next(), 64);
  assert.equal(spin.next(), 64);
});

test('with nothing to spend it never spins, whatever pays', () => {
  const spin = new AdaptiveSpin(0);
  for (let i = 0; i < 100; i++) {
    assert.equal(spin.next(), 0);
    if (i % 3 === 0) spin.paid();
    if (i % 3 === 1) spin.wasted();
  }
});

test('the default spins where there is another core for whoever is awaited, and ALPC_SPIN=0 turns it off', () => {
  const module = new URL('../../src/memory/adaptive-spin.js', import.meta.url).href;
  const looks = (environment: Record<string, string>): number => {
    const { ALPC_SPIN: _, ...rest } = process.env;
    const program = `const { defaultSpin } = await import(${JSON.stringify(module)}); console.log(defaultSpin());`;
    return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { env: { ...rest, ...environment }, encoding: 'utf8' }));
  };
  assert.equal(looks({ ALPC_SPIN: '0' }), 0);
  assert.equal(looks({}) > 0, availableParallelism() > 1);
});
