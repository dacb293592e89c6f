/** The script that measures how long a look takes (`npm run bench:explorer`): on a small scale, for what it says of time depends on the machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAtCrowd } from '../../scripts/explorer-figures.js';
import { withLedger } from '../support/ledger.js';

withLedger();

test('a crowd is started, seen in full at each look, and ended', async () => {
  const looks = await lookAtCrowd({ servers: 2, clients: 2, each: 3 }, 2);
  assert.deepEqual(looks.map(({ what, warm }) => [what, warm.length]), [['everything (inspectGraph)', 2], ['who waits (inspectWaits)', 2], ['one port of them (inspectObject)', 2]]);
  for (const { first, warm } of looks) for (const time of [first, ...warm]) assert.ok(time > 0);
});
