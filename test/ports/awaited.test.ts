/** Awaited requests settle when their time is over, whatever stands in the way of the last look for the reply. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeOf } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, received } from './connected-pair.js';

withLedger();

test("a request ends by its timeout though another one's callback, which is read at that moment, settles its own call and throws", async (t) => {
  const { port, client } = await connectedPair(t, []);
  const withdraw = new AbortController();
  const onCallback = (): void => {
    withdraw.abort(new RangeError('withdrawn in its callback'));
    throw new Error('thrown by the callback');
  };
  const withdrawn = outcomeOf(client.request('calls back', { signal: withdraw.signal, onCallback }));
  const request = await received(port);
  assert.ok(request.type === 'request');
  const timers = t.mock.method(globalThis, 'setTimeout');
  const late = outcomeOf(client.request('is not answered', { timeout: 60_000 }));
  const [timedOut] = timers.mock.calls.find(({ arguments: [, milliseconds] }) => milliseconds === 60_000)!.arguments;
  timers.mock.restore();
  const called = outcomeOf(request.callback('and now?'));
  // The event loop does not turn in between: who gives up reads the callback.
  assert.throws(timedOut, /thrown by the callback/);
  assert.equal(client.info().pendingRequests, 0, 'both are settled');
  assert.deepEqual(await Promise.all([late, withdrawn, called]), ['ERR_ALPC_TIMEOUT', 'RangeError', 'ERR_ALPC_CANCELED']);
});
