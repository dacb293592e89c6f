/** The requests of one side that wait for their reply: their numbers, and that each is settled once and lets go of everything. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AlpcError } from '../../src/base/errors.js';
import { BlockedCall, Calls, PendingCall } from '../../src/ports/calls.js';
import type { ReplyMessage } from '../../src/ports/message.js';
import { randomFrom } from '../memory/support.js';
import { withLedger } from '../support/ledger.js';

withLedger();

function pending(calls: Calls, id = calls.nextId()): PendingCall & { outcome: unknown[] } {
  const outcome: unknown[] = [];
  const call = Object.assign(new PendingCall(), { id, outcome, resolve: (reply: ReplyMessage) => void outcome.push(reply), reject: (error: unknown) => void outcome.push(error) });
  calls.add(call);
  return call;
}

function blocked(calls: Calls, id = calls.nextId()): BlockedCall {
  const call = new BlockedCall(id, undefined);
  calls.block(call);
  return call;
}

const ended = (): AlpcError => new AlpcError('ERR_ALPC_DISCONNECTED', 'the peer is gone');

/** The class as it would be after so many numbers: the module with another beginning, for four thousand million calls take too long. */
async function callsAfter(lastId: number): Promise<Calls> {
  const source = new URL('../../src/ports/calls.js', import.meta.url);
  const compiled = readFileSync(source, 'utf8').replace(/from '(\.[^']+)'/g, (_, path: string) => `from '${new URL(path, source).href}'`);
  const changed = compiled.replace('#lastId = 0;', `#lastId = ${lastId};`);
  assert.notEqual(changed, compiled);
  const module = (await import(`data:text/javascript,${encodeURIComponent(changed)}`)) as { Calls: new () => Calls };
  return new module.Calls();
}

const numbers = (calls: Calls, count: number): number[] => Array.from({ length: count }, () => calls.nextId());

test('numbers begin at 1, go up to 2^31-1, on from -2^31, and past 0 to 1 again', async () => {
  assert.deepEqual(numbers(new Calls(), 3), [1, 2, 3]);
  assert.deepEqual(numbers(await callsAfter(2 ** 31 - 3), 4), [2 ** 31 - 2, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1]);
  assert.deepEqual(numbers(await callsAfter(-3), 4), [-2, -1, 1, 2]);
});

test('the second time around no number is given that a live call has, awaited or blocking', async () => {
  const calls = await callsAfter(-3);
  for (const id of [1, 2, 5]) pending(calls, id);
  for (const id of [3, 7]) blocked(calls, id);
  assert.deepEqual(numbers(calls, 4), [-2, -1, 4, 6]);
  calls.take(1);
  assert.deepEqual(numbers(calls, 2), [8, 9]);
});

test('no number is live twice and none is 0, whatever begins and ends around the turn', async () => {
  const random = randomFrom(5);
  const calls = await callsAfter(-300);
  const live = new Set<number>();
  for (let i = 0; i < 20_000; i++) {
    if (live.size > 0 && random(2) === 0) {
      const id = [...live][random(live.size)]!;
      assert.ok(calls.take(id) !== undefined);
      live.delete(id);
    } else {
      const { id } = pending(calls);
      assert.ok(id !== 0 && !live.has(id), String(id));
      live.add(id);
    }
  }
});

test('an awaited call is found by its number, and taken once', () => {
  const calls = new Calls();
  const call = pending(calls);
  assert.equal(calls.findPending(call.id), call);
  assert.deepEqual([calls.count, calls.awaited], [1, 1]);
  assert.equal(calls.take(call.id), call);
  assert.equal(calls.take(call.id), undefined);
  assert.equal(calls.findPending(call.id), undefined);
  assert.deepEqual([calls.count, calls.awaited], [0, 0]);
});

test('any number of calls at once, begun and ended in any order, are each found by their own number', () => {
  const random = randomFrom(11);
  const calls = new Calls();
  const live = new Map<number, PendingCall>();
  for (let i = 0; i < 20_000; i++) {
    const growing = Math.floor(i / 2500) % 2 === 0;
    if (live.size === 0 || random(10) < (growing ? 7 : 3)) {
      const call = pending(calls);
      live.set(call.id, call);
    } else {
      const [id, call] = [...live][random(live.size)]!;
      assert.equal(calls.findPending(id), call);
      assert.equal(calls.take(id), call);
      assert.equal(calls.take(id), undefined);
      live.delete(id);
    }
    assert.equal(calls.awaited, live.size);
  }
  for (const [id, call] of live) assert.equal(calls.findPending(id), call);
  calls.failAll(ended);
  for (const call of live.values()) assert.equal((call as PendingCall & { outcome: unknown[] }).outcome.length, 1);
  assert.equal(calls.awaited, 0);
});

test('a number that nobody has is nobody\'s', () => {
  const calls = new Calls();
  pending(calls);
  blocked(calls);
  for (const id of [0, 3, -1, 2 ** 31, Number.NaN]) assert.deepEqual([calls.take(id), calls.findPending(id), calls.findBlocked(id)], [undefined, undefined, undefined]);
});

test('taking a call lets go of its timer and its signal', () => {
  const calls = new Calls();
  const call = pending(calls);
  const controller = new AbortController();
  let fired = 0;
  const { signal } = controller;
  const onAbort = (): void => void fired++;
  call.patience = { timer: setTimeout(onAbort, 60_000), signal, onAbort };
  signal.addEventListener('abort', onAbort);
  calls.take(call.id);
  controller.abort();
  assert.equal(fired, 0);
  // The timer would keep this process from ending, and the ledger would tell.
});

test('blocking calls stand on a stack: the innermost is the last that began', () => {
  const calls = new Calls();
  assert.equal(calls.innermost, undefined);
  const outer = blocked(calls);
  const inner = blocked(calls);
  assert.equal(calls.innermost, inner);
  assert.equal(calls.findBlocked(outer.id), outer);
  assert.deepEqual([calls.count, calls.awaited], [2, 0]);
  calls.unblock();
  assert.equal(calls.innermost, outer);
  assert.equal(calls.findBlocked(inner.id), undefined);
  calls.unblock();
  assert.equal(calls.innermost, undefined);
});

test('a blocking call that is settled is not found any more: a second reply is late', () => {
  const calls = new Calls();
  const call = blocked(calls);
  assert.equal(call.isSettled, false);
  call.error = ended();
  assert.equal(call.isSettled, true);
  assert.equal(calls.findBlocked(call.id), undefined);
});

test('at the end every call fails with an error of its own, settled ones keep what they have, and nothing is left', () => {
  const calls = new Calls();
  const awaited = Array.from({ length: 5 }, () => pending(calls));
  const settled = blocked(calls);
  const open = blocked(calls);
  const reply = {} as ReplyMessage;
  settled.reply = reply;
  awaited.forEach((call) => (call.patience = { timer: setTimeout(() => {}, 60_000), signal: undefined, onAbort: () => {} }));
  calls.failAll(ended);
  const errors = [...awaited.map((call) => call.outcome), [open.error]];
  for (const outcome of errors) assert.ok(outcome.length === 1 && AlpcError.is(outcome[0]) && outcome[0].code === 'ERR_ALPC_DISCONNECTED');
  assert.equal(new Set(errors.flat()).size, 6, 'each with its own stack');
  assert.deepEqual([settled.reply, settled.error], [reply, undefined]);
  assert.equal(calls.awaited, 0);
  calls.failAll(() => assert.fail('there is nothing left to fail'));
});

test('a call that begins while the others fail is not failed with them', () => {
  const calls = new Calls();
  const first = pending(calls);
  let later: (PendingCall & { outcome: unknown[] }) | undefined;
  first.reject = () => (later = pending(calls));
  calls.failAll(ended);
  assert.deepEqual(later!.outcome, []);
  assert.equal(calls.take(later!.id), later);
});

test('a call that was rejected with undefined before its promise was asked for is settled', async () => {
  const calls = new Calls();
  const call = new PendingCall();
  call.reject(undefined);
  const outcomes = await Promise.allSettled([calls.promiseOf(call)]);
  assert.deepEqual(outcomes, [{ status: 'rejected', reason: undefined }]);
});
