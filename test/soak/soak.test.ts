/** The soak's short form, and that it can fail: a hang is told with both rings and the queues, a message too many is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { soak } from './soak.js';
import { Chance, Checker, Writer } from './traffic.js';

withLedger();

test('a million messages of every kind with random pauses: none is lost, doubled or out of order, and nothing grows', async () => {
  const rounds = await soak({ messages: 1_000_000, seed: Date.now() | 0, patience: 20_000 });
  assert.ok(rounds.at(-1)!.messages >= 999_000, `${rounds.at(-1)!.messages} messages`);
});

test('a soak in which nothing moves any more fails, with both rings, the queues and where the processes are', async () => {
  const stopped = soak({ messages: 10_000, seed: 1, patience: 800, onPhase: ({ number }, [server]) => void (number === 5 && server!.signal('SIGSTOP')) });
  await assert.rejects(stopped, (error: Error) => {
    const lines = error.message.split('\n');
    assert.equal(lines[0], 'nothing moved for 800 ms');
    assert.match(error.message, /the server, pid \d+: state T \(stopped\)/);
    assert.match(error.message, /the client, pid \d+: state S/);
    assert.equal(lines.filter((line) => /"tail":\d+,.*"head":\d+,.*"dataSleep":\d+/.test(line)).length, 4, error.message);
    assert.match(error.message, /its queues: {"name":.*"pendingRequests":1/);
    return true;
  });
});

test('a message that is lost, doubled, cut or of another phase is told', () => {
  const writer = new Writer(new Chance(1));
  const message = (phase: number, number: number): Buffer => Buffer.from(writer.write(phase, number));
  const checker = new Checker(7);
  checker.check(message(7, 0));
  for (const wrong of [message(7, 0), message(7, 2), message(8, 1)]) assert.throws(() => checker.check(wrong), /came where message 1 of phase 7 was due/);
  let long = message(7, 1);
  while (long.length < 20) long = message(7, 1);
  assert.throws(() => checker.check(long.subarray(0, 16)), /16 bytes of/);
  long[long.length - 1]!++;
  assert.throws(() => checker.check(long), /was due/);
  checker.check(message(7, 1));
});
