/** The models of the protocol: what is right has no error, and each mutant has one. The largest variants are left to `npm run model`. Where spin is not installed they are skipped, with a notice. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check, VARIANTS } from '../../scripts/model.js';
import { isInstalled, skipWithout } from '../support/tools.js';

const skip = skipWithout('spin', isInstalled('spin')) || skipWithout('cc', isInstalled('cc'));

// Two at a time: each is a compiler and a search of its own, and nothing here measures anything.
describe('the models of the protocol', { concurrency: 2, skip }, () => {
  for (const variant of VARIANTS.filter(({ isLong }) => !isLong)) {
    const name = `${variant.model} ${variant.flags.join(' ')}`.trim();
    test(variant.fails ? `the mutant ${name} is caught` : `the model ${name} has no error`, async () => {
      assert.equal((await check(variant)) > 0, variant.fails);
    });
  }
});
