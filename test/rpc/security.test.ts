/** Security callbacks: `true`, at once or later, allows; whatever else one does refuses, and why is not told to who is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { connectPort } from '../../src/index.js';
import { bind, call, defineInterface, serve } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Kind } from '../../src/rpc/frame.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith } from './expect.js';

withLedger();

const codec = new Codec(DEFAULT_BOUNDS);
const later = (decision: unknown): PromiseLike<unknown> => ({
  // oxlint-disable-next-line unicorn/no-thenable -- that is the point
  then: (resolve) => void setImmediate(() => resolve!(decision)) as never,
});
const DECISIONS: Record<string, [decide: () => unknown, isAllowed: boolean]> = {
  'true': [() => true, true],
  'a promise of true': [() => Promise.resolve(true), true],
  'a foreign promise of true': [() => later(true), true],
  'false': [() => false, false],
  'a promise of false': [() => Promise.resolve(false), false],
  'a foreign promise of false': [() => later(false), false],
  'a promise of something else': [() => Promise.resolve('yes'), false],
  'something else': [() => ({ allowed: false }), false],
  'nothing': [() => undefined, false],
  'an exception': [() => { throw new Error('of the callback'); }, false], // oxlint-disable-line max-statements-per-line
  'a rejection': [() => Promise.reject(new Error('of the callback')), false],
};

for (const [what, [decide, isAllowed]] of Object.entries(DECISIONS)) {
  test(`a security callback that gives ${what} ${isAllowed ? 'allows' : 'refuses, and tells the caller nothing but that'}`, async (t) => {
    temporaryRoot(t);
    const Guarded = defineInterface({ name: 'guarded', version: '1.0' }, { tell: call<void, string>() });
    const server = await serve(Guarded, { tell: () => 'told' }, { endpoint: 'guarded', allow: decide as () => boolean });
    atEnd(t, () => server.close());
    const faults: unknown[] = [];
    server.on('fault', (error) => faults.push(error));
    if (isAllowed) {
      using client = await bind(Guarded, 'guarded');
      assert.equal(await client.tell(), 'told');
    } else {
      await assert.rejects(bind(Guarded, 'guarded'), (error: Error) => failsWith('ERR_ALPC_ACCESS_DENIED')(error) && !/of the callback/.test(inspect(error)));
      const port = await connectPort('\\RPC Control\\guarded');
      atEnd(t, () => port.close());
      const answer = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'guarded', version: '1.0', methods: [['tell', 'call']] }));
      assert.doesNotMatch(answer.data.toString('latin1'), /of the callback/);
      assert.deepEqual(faults.map(String), /exception|rejection/.test(what) ? ['Error: of the callback', 'Error: of the callback'] : []);
    }
  });
}
