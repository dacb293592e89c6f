/**
 * What a peer may send, fuzzed: packets of the handshake, records in a ring, what a port makes of records, and of views and handles. Each case is read by
 * the library and, beside it, by hand from docs/protocol.md; they must agree. `npm run fuzz` does the same ten million times.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { campaign, readCorpus, replay, type TargetName, TARGETS } from './fuzz/campaign.js';

withLedger();

const SECONDS = 10;
const names = Object.keys(TARGETS) as TargetName[];

for (const name of names) {
  test(`42, B10: the kept cases (${name}) come to what they came to`, async () => {
    const corpus = readCorpus(name);
    assert.ok(corpus.length > 20, `${corpus.length} cases`);
    assert.deepEqual(await replay(name, corpus.map(({ text }) => text)), corpus.map(({ outcome }) => outcome));
  });

  test(`5, 42, B10: new cases (${name}) come to what the page says, and to nothing else`, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { cases, outcomes } = await campaign(name, seed, 0, Infinity, (SECONDS * 1000) / names.length);
    t.diagnostic(`seed ${seed}: ${cases} cases of ${outcomes.size} kinds`);
    assert.ok(cases >= 256 && outcomes.size > 10, `${cases} cases of ${outcomes.size} kinds`);
  });
}

test('42: a case is a function of its seed and number: told twice, it is the same', async () => {
  for (const name of names) {
    const [first, second] = [await campaign(name, 42, 100, 140), await campaign(name, 42, 100, 140)];
    assert.deepEqual([...first.outcomes], [...second.outcomes]);
    assert.notDeepEqual([...first.outcomes], [...(await campaign(name, 43, 100, 140)).outcomes]);
  }
});
