/** Awaited requests settle when their time is over, or their signal says so, whatever stands in the way of that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from '../hostile/meeting.js';
import { RECORD_TYPE } from '../hostile/peer.js';
import { outcomeOf, until } from '../process/expect.js';
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

test('a request ends by its signal though that says so in a callback which is read as the request is made', async (t) => {
  const { last, peer } = await serve(t);
  const client = await peer();
  assert.ok(client.send({ type: RECORD_TYPE.request, messageId: 7, callbackId: 1, data: 'calls back at once' }));
  const withdraw = new AbortController();
  const outcomes: string[] = [];
  const onCallback = (): void => withdraw.abort(new RangeError('withdrawn in its callback'));
  void outcomeOf(last().request('the first one', { signal: withdraw.signal, onCallback })).then((outcome) => outcomes.push(outcome));
  await until('it has ended', () => outcomes.length > 0);
  assert.deepEqual(outcomes, ['RangeError']);
  assert.equal(last().info().pendingRequests, 0);
});

test('a request whose signal takes no listener is rejected for that, and taken back: nobody waits for its answer, and the peer never has it', async (t) => {
  const { port, client } = await connectedPair(t, ['view']);
  const refuses = (): never => {
    throw new RangeError('takes no listener');
  };
  const signal = { aborted: false, throwIfAborted: () => {}, addEventListener: refuses, removeEventListener: () => {} } as unknown as AbortSignal;
  assert.equal(await outcomeOf(client.request('in the ring already', { signal, timeout: 60_000 })), 'RangeError');
  assert.equal(client.info().pendingRequests, 0);
  assert.equal(port.tryReceive(), undefined);
  const view = client.createSection(64).createView(64);
  while (client.tryPost('') === 'sent');
  assert.equal(await outcomeOf(client.request('waits for room', { signal, view })), 'RangeError');
  const { pendingRequests, waitingForRoom, viewsOut } = client.info();
  assert.deepEqual([pendingRequests, waitingForRoom, viewsOut, view.released], [0, 0, 0, false]);
});

test('a post ends by its signal though that says so as a direct message is told of on the way', async (t) => {
  const { port, client } = await connectedPair(t, []);
  const withdraw = new AbortController();
  client.postSync('tell me', { direct: { set: () => withdraw.abort(new RangeError('withdrawn as it is told')) } });
  assert.equal((await received(port)).dataLength, 7);
  while (client.tryPost('') === 'sent');
  assert.equal(await outcomeOf(client.post('no room', { timeout: 10_000, signal: withdraw.signal, direct: { set: () => {} } })), 'RangeError');
  assert.equal(client.info().waitingForRoom, 0);
});
