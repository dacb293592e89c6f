/** How a port waits: what the options mean, and that a blocking call looks as often as they say before it sleeps. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { connectPort } from '../../src/index.js';
import { checkSpin, type SpinOptions } from '../../src/ports/spin-options.js';
import { thisThread } from '../../src/ports/thread.js';
import { failsWith } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, PAIR_NAME } from './connected-pair.js';

withLedger();

const SPINS = availableParallelism() > 1 && process.env['ALPC_SPIN'] !== '0';

test('without options a port looks, for the event loop as well; false never looks; each option stands for itself', () => {
  const usual = SPINS ? { looks: 3000, linger: 0.2 } : { looks: 0, linger: 0 };
  for (const value of [undefined, true, {}]) assert.deepEqual(checkSpin(value), usual);
  assert.deepEqual(checkSpin(false), { looks: 0, linger: 0 });
  assert.deepEqual(checkSpin({ looks: 7 }), { looks: 7, linger: usual.linger });
  assert.deepEqual(checkSpin({ linger: 3.5 }), { looks: usual.looks, linger: 3.5 });
  assert.deepEqual(checkSpin({ looks: 0, linger: 0 }), checkSpin(false));
  assert.deepEqual(checkSpin({ looks: 1_000_000, linger: 1000 }), { looks: 1_000_000, linger: 1000 });
});

test('a wrong spin is refused by name', () => {
  for (const looks of [-1, 1.5, 1_000_001, Number.NaN, '1', null]) assert.throws(() => checkSpin({ looks: looks as number }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'spin\.looks'/));
  for (const linger of [-1, 1000.5, Number.NaN, Infinity, '1', null]) assert.throws(() => checkSpin({ linger: linger as number }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'spin\.linger'/));
  for (const value of [null, 5, 'no', { lookz: 1 }]) assert.throws(() => checkSpin(value as SpinOptions), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'spin/));
});

test('with ALPC_SPIN=0 nobody looks unless an option says so', () => {
  const module = new URL('../../src/ports/spin-options.js', import.meta.url).href;
  const code = `const { checkSpin } = await import('${module}'); console.log(JSON.stringify([checkSpin(), checkSpin(true), checkSpin({ looks: 5 }), checkSpin({ linger: 1 })]));`;
  const told = execFileSync(process.execPath, ['--input-type=module', '--eval', code], { env: { ...process.env, ALPC_SPIN: '0' }, encoding: 'utf8' });
  assert.deepEqual(JSON.parse(told), [{ looks: 0, linger: 0 }, { looks: 0, linger: 0 }, { looks: 5, linger: 0 }, { looks: 0, linger: 1 }]);
});

for (const [spin, least, most] of [[false, 0, 10], [{ looks: 0 }, 0, 10], [{ looks: 500 }, 500, 520]] as const) {
  test(`a blocking call with spin ${JSON.stringify(spin)} goes to sleep after ${least === 0 ? 'no looks' : `${least} looks`}`, async (t) => {
    await connectedPair(t, []);
    const client = await connectPort(PAIR_NAME, { spin });
    atEnd(t, () => client.close());
    const connection = [...thisThread().connections.values()].flatMap((all) => [...all]).find(({ port }) => port === client);
    const { reader } = connection!.link;
    let looks = 0;
    Object.assign(reader, { hasData: () => (looks++, false) });
    // Its server is this very thread: it would sleep for ever, and is told so in place of it.
    assert.throws(() => client.requestSync('x'), failsWith('ERR_ALPC_DEADLOCK'));
    Reflect.deleteProperty(reader, 'hasData');
    assert.ok(looks >= least && looks <= most, `it looked ${looks} times`);
  });
}
