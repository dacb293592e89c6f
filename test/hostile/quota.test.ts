/**
 * The algebra of quotas. What a connection is charged is at every moment the sum of what it holds; nothing is admitted over the limit,
 * nothing that fits is refused; and what is released comes to nothing again. Charges are as large as numbers get: the two
 * halves of a connection are driven here with records that only say how long they are.
 *
 * In the long form (`npm run test:long`) a million operations on each half.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_DATA_LENGTH, RecordType, ReplyStatus } from '../../src/memory/layout.js';
import { Calls, Outgoing } from '../../src/ports/calls.js';
import type { Connection } from '../../src/ports/connection.js';
import { WAITING_COST } from '../../src/ports/holdings.js';
import { Inbound } from '../../src/ports/inbound.js';
import { checkLimits, type Limits } from '../../src/ports/limits.js';
import type { RequestMessage } from '../../src/ports/message.js';
import { Outbound } from '../../src/ports/outbound.js';
import { randomFrom } from '../memory/support.js';
import { failsWith } from '../process/expect.js';
import { times } from '../support/forms.js';

const OPERATIONS = times(60_000, 1_000_000);

/** The smallest, the usual, and the largest quotas that there may be. */
const LIMITS: Limits[] = [{ pendingMessages: 1, pendingBytes: 1 }, { pendingMessages: 20, pendingBytes: 2000 }, { pendingMessages: 5, pendingBytes: 2 ** 31 - 1 }, {}, { pendingMessages: 1_000_000, pendingBytes: 2 ** 31 - 1 }].map((limits) => checkLimits(limits));

/** Nothing, a little, about the limit, and beyond every number that is counted in 31, 32 or 53 bits. */
function charge(random: (below: number) => number, { pendingBytes }: Limits): number {
  const near = [0, 1, 31, 32, 33, pendingBytes - WAITING_COST - 1, pendingBytes - WAITING_COST, pendingBytes - WAITING_COST + 1, pendingBytes - 1, pendingBytes, pendingBytes + 1, Math.floor(pendingBytes / 2), Math.floor(pendingBytes / 3), 65_503, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 32, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 64, 2 ** 53 - 1];
  return random(3) === 0 ? random(300) : Math.max(0, near[random(near.length)]!);
}

const sum = (lengths: Iterable<number>): number => Array.from(lengths).reduce((a, b) => a + b, 0);

// ---- what waits for room ----------------------------------------------------------------------------------------------

/** A ring that takes as many records as it is told. */
class Ring {
  room = 0;
  readonly writer = { position: 0, hasRoomToGoOn: () => this.room > 0, hasProgressed: () => false, isDrained: true };
  readonly send = (): boolean => this.room-- > 0;
}

for (const limits of LIMITS) {
  const name = `${limits.pendingMessages} messages, ${limits.pendingBytes} bytes`;
  test(`B7, 38: what waits for room is charged with what it takes of the heap, to the byte, and released to nothing (${name})`, () => {
    const random = randomFrom(limits.pendingMessages);
    const ring = new Ring();
    const connection = { state: 'open', link: ring, calls: new Calls(), wake: () => {}, toString: () => 'a connection' } as unknown as Connection;
    const outbound = new Outbound(connection, limits);
    let waiting: Outgoing[] = [];
    const gone: Outgoing[] = [];
    let charged = 0;
    let admitted = 0;
    let refused = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const what = random(10);
      if (what < 6) {
        const length = charge(random, limits);
        const fits = charged + WAITING_COST + length <= limits.pendingBytes && waiting.length < limits.pendingMessages;
        assert.equal(outbound.mayWait(length), fits);
        if (fits) {
          outbound.checkQuota(length);
          const outgoing = new Outgoing(RecordType.datagram, 0, 0, 0, undefined, length);
          outbound.enqueue(outgoing);
          waiting.push(outgoing);
          charged += WAITING_COST + length;
          admitted++;
        } else {
          assert.throws(() => outbound.checkQuota(length), failsWith('ERR_ALPC_QUOTA_EXCEEDED', new RegExp(`: ${waiting.length} messages \\(${charged} bytes\\) wait`)));
          refused++;
        }
      } else if (what < 8 && waiting.length > 0) {
        const [withdrawn] = waiting.splice(random(waiting.length), 1);
        outbound.withdraw(withdrawn!);
        charged -= WAITING_COST + withdrawn!.dataLength;
        gone.push(withdrawn!);
      } else if (what === 8) {
        ring.room = random(4);
        const moved = Math.min(ring.room, waiting.length);
        outbound.flush();
        const sent = waiting.splice(0, moved);
        charged -= sum(sent.map(({ dataLength }) => WAITING_COST + dataLength));
        gone.push(...sent);
      } else if (random(100) === 0) {
        outbound.failAll(() => assert.fail('nobody asked to be told'));
        waiting = [];
        charged = 0;
      } else if (gone.length > 0) outbound.withdraw(gone[random(gone.length)]!); // once more: nothing
      gone.splice(0, gone.length - 50);
      assert.equal(outbound.length, waiting.length);
      assert.ok(charged <= limits.pendingBytes);
      if (i % 1000 === 0) assert.equal(charged, sum(waiting.map(({ dataLength }) => WAITING_COST + dataLength)));
    }
    for (const outgoing of waiting.splice(0)) outbound.withdraw(outgoing);
    assert.equal(outbound.mayWait(limits.pendingBytes - WAITING_COST), true, 'all of it is there again');
    assert.equal(outbound.mayWait(limits.pendingBytes - WAITING_COST + 1), false, 'and no more');
    assert.ok(refused > 1000 && (admitted > 1000 || limits.pendingBytes < WAITING_COST), `${admitted} admitted, ${refused} refused`);
  });

  // ---- what is unanswered, and what is read ahead -----------------------------------------------------------------------

  test(`B7, 38: what is unanswered, and what is read ahead, is charged to the byte, and released to nothing (${name})`, () => {
    const random = randomFrom(limits.pendingMessages + 1);
    const records: { type: number; id: number; length: number }[] = [];
    const quotaAnswers: number[] = [];
    const reader = {
      type: 0,
      flags: 0,
      messageId: 0,
      callbackId: 0,
      attributes: 0,
      status: 0,
      dataLength: 0,
      hasData: () => records.length > 0,
      next: () => {
        const record = records[0];
        if (record === undefined) return false;
        Object.assign(reader, { type: record.type, messageId: record.id, dataLength: record.length });
        return true;
      },
      copyData: () => {},
    };
    const connection = {
      state: 'open',
      link: { reader, release: () => void records.shift(), own: { words: new Int32Array(1024) } },
      thread: { copies: { memory: new ArrayBuffer(0), start: 0 } },
      calls: new Calls(),
      wake: () => {},
      violate: (error: unknown) => assert.fail(String(error)),
      answer: (id: number, _: number, status: number) => {
        assert.equal(status, ReplyStatus.quota);
        quotaAnswers.push(id);
      },
      toString: () => 'a connection',
    } as unknown as Connection;
    let inbound = new Inbound(connection, limits);
    const unanswered = new Map<number, number>();
    const taken: RequestMessage[] = [];
    let queue: { type: string; id: number; length: number }[] = [];
    let id = 0;
    let queuedBytes = 0;
    let unansweredBytes = 0;
    const isFull = (): boolean => queue.length >= limits.pendingMessages || queuedBytes >= limits.pendingBytes;
    const enqueue = (message: (typeof queue)[number]): void => {
      queue.push(message);
      queuedBytes += message.length;
    };
    const dequeue = (place: number): (typeof queue)[number] | undefined => {
      const [message] = queue.splice(place, 1);
      queuedBytes -= message?.length ?? 0;
      return message;
    };
    const forget = (request: number): void => {
      unansweredBytes -= unanswered.get(request)!;
      unanswered.delete(request);
    };
    /** A record of the ring becomes a message, or an answer that says no. */
    const read = (): (typeof queue)[number] | undefined => {
      const record = records[0]!;
      if (record.type === RecordType.datagram) return { ...record, type: 'datagram' };
      if (unanswered.size >= limits.pendingMessages || unansweredBytes + record.length > limits.pendingBytes) return undefined;
      unanswered.set(record.id, record.length);
      unansweredBytes += record.length;
      return { ...record, type: 'request' };
    };
    let admitted = 0;
    let refused = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const what = random(10);
      if (what < 4) {
        // What is read ahead is let in by one too many; a reader lets nothing pass that is longer than a message may be.
        const isDatagram = random(3) === 0;
        const length = charge(random, limits);
        records.push({ type: isDatagram ? RecordType.datagram : RecordType.request, id: ++id, length: isDatagram ? Math.min(length, MAX_DATA_LENGTH) : length });
        const record = records[0]!;
        if (random(2) === 0) {
          // Read ahead, if there is room to.
          const wasFull = isFull();
          const expected = wasFull ? undefined : read();
          assert.equal(inbound.pump(), !wasFull);
          if (wasFull) records.shift();
          else if (expected !== undefined) enqueue(expected);
          else refused++;
          assert.deepEqual(quotaAnswers.splice(0), wasFull || expected !== undefined ? [] : [record.id]);
        } else {
          const expected = queue.length > 0 ? dequeue(0) : read();
          const message = inbound.take();
          assert.deepEqual([message?.type, message?.id, message?.dataLength], [expected?.type, expected?.id, expected?.length]);
          if (message?.type === 'request') taken.push(message);
          if (expected === undefined) refused++;
          else admitted++;
          assert.equal(quotaAnswers.splice(0).length, expected === undefined ? 1 : 0);
          records.length = 0;
        }
      } else if (what < 6) {
        const expected = dequeue(0);
        const message = inbound.take();
        assert.equal(message?.id, expected?.id);
        if (message?.type === 'request') taken.push(message);
      } else if (what < 8 && taken.length > 0) {
        const [answered] = taken.splice(random(taken.length), 1);
        if (answered!.place >= 0) {
          inbound.unanswered.remove(answered!);
          answered!.place = -1;
          forget(answered!.id);
        }
      } else if (what === 8 && unanswered.size > 0) {
        const canceled = Array.from(unanswered.keys())[random(unanswered.size)]!;
        forget(canceled);
        const place = queue.findIndex((message) => message.type === 'request' && message.id === canceled);
        inbound.giveUp(canceled);
        if (place >= 0) dequeue(place);
        else enqueue({ type: 'canceled', id: canceled, length: 0 });
      } else if (random(200) === 0) {
        inbound.clear();
        assert.deepEqual([inbound.unanswered.length, inbound.queued], [0, 0]);
        inbound = new Inbound(connection, limits); // it takes nothing any more
        unanswered.clear();
        queue = [];
        queuedBytes = 0;
        unansweredBytes = 0;
      }
      assert.deepEqual([inbound.unanswered.length, inbound.queued, inbound.isFull], [unanswered.size, queue.length, isFull()]);
      if (i % 1000 === 0) assert.deepEqual([queuedBytes, unansweredBytes], [sum(queue.map(({ length }) => length)), sum(unanswered.values())]);
    }
    inbound.clear();
    records.push({ type: RecordType.request, id: 1, length: limits.pendingBytes });
    assert.equal(inbound.take()?.dataLength, limits.pendingBytes, 'all of it is there again');
    assert.ok(admitted > 500 && refused > 500, `${admitted} admitted, ${refused} refused`);
  });
}
