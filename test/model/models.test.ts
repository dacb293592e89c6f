/** The models of the protocol: what is right has no error, and each mutant has one. Where spin is not installed they are skipped, with a notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check, missingTools, VARIANTS } from '../../scripts/model.js';

const missing = missingTools();

for (const variant of VARIANTS) {
  const name = `${variant.model} ${variant.flags.join(' ')}`.trim();
  test(variant.fails ? `the mutant ${name} is caught` : `the model ${name} has no error`, { skip: missing ?? false }, () => {
    assert.equal(check(variant) > 0, variant.fails);
  });
}
