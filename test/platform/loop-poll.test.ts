/** libuv's polls, where libuv refuses: the error says what failed, nothing half made is left, and the next poll of the descriptor is as good as the first. */
import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { LoopPoll } from '../../src/platform/loop-poll.js';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { closeDescriptor, libuv } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';

withLedger();

const EEXIST = 17;
const ENOMEM = 12;

function socketPair(t: TestContext): [theirs: number, mine: number] {
  const pair = createSocketPair();
  atEnd(t, () => pair.forEach(closeDescriptor));
  return [pair[0], pair[1]];
}

/** That a poll of `mine` hears one bell. */
async function hears(theirs: number, mine: number): Promise<void> {
  let heard = 0;
  const poll = new LoopPoll(mine, () => {
    heard++;
    receiveBytes(mine, Buffer.alloc(8));
  });
  ringBell(theirs);
  await turnsUntil(() => heard === 1);
  poll.close();
  await turn();
}

test('a second poll of a descriptor is refused with the call and its errno, and the first goes on', async (t) => {
  const [theirs, mine] = socketPair(t);
  let heard = 0;
  const first = new LoopPoll(mine, () => {
    heard++;
    receiveBytes(mine, Buffer.alloc(8));
  });
  assert.throws(() => new LoopPoll(mine, () => {}), { name: 'SystemError', message: 'uv_poll_init: EEXIST' });
  ringBell(theirs);
  await turnsUntil(() => heard === 1);
  first.close();
});

test('a poll that can not be made leaves nothing to be closed: its handle was never one', async (t) => {
  const [theirs, mine] = socketPair(t);
  const listeners = process.listenerCount('exit');
  const closes = t.mock.method(libuv(), 'uv_close');
  const refusal = mock.method(libuv(), 'uv_poll_init', () => -ENOMEM);
  assert.throws(() => new LoopPoll(mine, () => {}), { name: 'SystemError', message: 'uv_poll_init: ENOMEM' });
  refusal.mock.restore();
  assert.deepEqual([closes.mock.callCount(), process.listenerCount('exit')], [0, listeners]);
  await hears(theirs, mine);
});

test('a poll that can not be started is closed again', async (t) => {
  const [theirs, mine] = socketPair(t);
  const listeners = process.listenerCount('exit');
  const closes = t.mock.method(libuv(), 'uv_close');
  const refusal = mock.method(libuv(), 'uv_poll_start', () => -EEXIST);
  assert.throws(() => new LoopPoll(mine, () => {}), { name: 'SystemError', message: 'uv_poll_start: EEXIST' });
  refusal.mock.restore();
  assert.deepEqual([closes.mock.callCount(), process.listenerCount('exit')], [1, listeners]);
  await hears(theirs, mine);
});

test('a watch for which no poll can be made hears all the same, and as ever when there is room again; closed before, it is silent', async (t) => {
  const [theirs, mine] = socketPair(t);
  let heard = 0;
  const listen = (): LoopWatch => new LoopWatch(mine, () => {
    heard++;
    receiveBytes(mine, Buffer.alloc(8));
  });
  const refusal = mock.method(libuv(), 'uv_poll_init', () => -ENOMEM);
  const watch = listen();
  const unreferenced = new LoopWatch(theirs, () => {});
  unreferenced.unref();
  ringBell(theirs);
  await turnsUntil(() => heard === 1);
  assert.ok(refusal.mock.callCount() > 1, 'it was tried again');
  refusal.mock.restore();
  const starts = t.mock.method(libuv(), 'uv_poll_start');
  await turnsUntil(() => starts.mock.callCount() === 2);
  ringBell(theirs);
  await turnsUntil(() => heard === 2);
  [watch, unreferenced].forEach((each) => each.close());
  await turn();
  const again = mock.method(libuv(), 'uv_poll_init', () => -ENOMEM);
  const silent = listen();
  await turnsUntil(() => again.mock.callCount() === 1);
  silent.close();
  again.mock.restore();
  ringBell(theirs);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(heard, 2);
});
