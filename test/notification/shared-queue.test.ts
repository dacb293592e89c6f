/** The shared queue and lock by themselves: what goes in comes out once, in order, whatever its size; and a lock outlives its holder. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { array, assert as check, integer, nat, oneof, property, record, constant } from 'fast-check';
import { SharedLock } from '../../src/notification/shared-lock.js';
import { SharedQueue } from '../../src/notification/shared-queue.js';

test('records come out as they went in, in order, over and over the end of the memory', () => {
  const step = oneof(record({ do: constant('push' as const), length: nat(400) }), record({ do: constant('take' as const), count: integer({ min: 1, max: 5 }) }));
  check(
    property(array(step, { maxLength: 200 }), nat(63), (steps, start) => {
      const memory = new SharedArrayBuffer(64 + 1024);
      new Int32Array(memory).fill((start * 16) | 0, 0, 2);
      const queue = new SharedQueue(memory, 0, 64, 1024);
      const model: [number, string][] = [];
      let number = 0;
      for (const given of steps) {
        if (given.do === 'push') {
          const text = 'x'.repeat(given.length);
          if (queue.push([++number], text, text.length)) model.push([number, text]);
          else assert.ok(model.length > 0, 'an empty queue has room for it');
        } else {
          queue.begin();
          for (let count = 0; count < given.count && queue.next(); count++) assert.deepEqual([queue.fields[0], queue.data.toString()], model.shift());
          queue.commit();
        }
        assert.equal(queue.isEmpty, model.length === 0);
        for (const count of [0, model.length - 1, model.length, model.length + 1]) if (count >= 0) assert.equal(queue.hasMoreThan(count), model.length > count);
      }
      queue.begin();
      while (queue.next()) assert.deepEqual([queue.fields[0], queue.data.toString()], model.shift());
      assert.deepEqual(model, []);
    }),
  );
});

test('what was read and not committed is still there', () => {
  const queue = new SharedQueue(new SharedArrayBuffer(64 + 1024), 0, 64, 1024);
  queue.push([1], 'a', 1);
  queue.begin();
  assert.ok(queue.next());
  assert.ok(!queue.next());
  queue.begin();
  assert.ok(queue.next());
  queue.commit();
  assert.ok(queue.isEmpty);
});

const ADDER = `
  const { workerData } = require('node:worker_threads');
  import(workerData.module).then(({ SharedLock }) => {
    const words = new Int32Array(workerData.memory);
    const lock = new SharedLock(words, 0, () => true);
    for (let i = 0; i < 20000; i++) {
      lock.lock(workerData.me);
      words[2] = words[2] + 1;
      lock.unlock();
    }
  });`;

test('the lock lets in one at a time: plain additions of several threads are all counted', async () => {
  const memory = new SharedArrayBuffer(16);
  const module = new URL('../../src/notification/shared-lock.js', import.meta.url).href;
  await Promise.all([1, 2, 3].map((me) => once(new Worker(ADDER, { eval: true, workerData: { memory, module, me } }), 'exit')));
  assert.deepEqual([...new Int32Array(memory)], [0, 0, 60_000, 0]);
});

test('the lock of a dead thread whose number the kernel has given to this one is this one\'s at once', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const lock = new SharedLock(words, 0, () => assert.fail('nobody is asked after itself'));
  lock.lock(1);
  lock.lock(1);
  lock.unlock();
  assert.deepEqual([...words], [0, 0]);
});

test('the lock of a holder that is no more is taken over, that of a living one is not', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  new SharedLock(words, 0, () => true).lock(1);
  const dead = new Set([1]);
  const lock = new SharedLock(words, 0, (holder) => !dead.has(holder));
  lock.lock(2);
  assert.equal(words[0], 2);
  let asked = 0;
  const patient = new SharedLock(words, 0, () => {
    if (++asked === 2) lock.unlock();
    return true;
  });
  patient.lock(3);
  assert.deepEqual([words[0], asked], [3, 2]);
});
