/**
 * The completion port across threads: packets first-in first-out, threads last-in first-out, the concurrency limit measured by the
 * threads themselves, and nothing lost or doubled while threads come and go.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompletionPort, connectPort, type ConnectionPort, createEvent, createNamedSection, createPort, type Event, removeObject, type RequestMessage, type ServerPort, type View } from '../../src/index.js';
import { blockFor, failsWith, nameOf, numbers, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn } from '../support/turns.js';
import { Board } from './board.js';
import { crew, serve } from './crew.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

const SLOW = '\\RPC Control\\slow';
const OTHER = '\\RPC Control\\other';
const READY = '\\BaseNamedObjects\\ready';
const WORD = '\\BaseNamedObjects\\word';

for (const how of ['dequeueSync', 'dequeue'] as const) {
  test(`a request to an associated port is served by a thread that waits in ${how}, with the port's key`, async (t) => {
    const { completions, start } = crew(t, 2);
    await start({ how });
    const { connect } = await serve(t, completions);
    const client = await connect();
    for (const number of numbers(20)) assert.equal(String((await client.request(`echo ${number}`)).data), `${number} by 7`);
    const replies = await Promise.all(numbers(100).map((number) => client.request(`echo ${number}`)));
    assert.deepEqual(replies.map((reply) => String(reply.data)), numbers(100).map((number) => `${number} by 7`));
  });

  test(`packets come first-in first-out, many at a time if wanted, in ${how}`, async (t) => {
    const { completions, start, taken, batches } = crew(t, 1);
    for (const number of numbers(1000)) completions.post({ key: 1, data: `${number}` });
    await start({ how, max: 10 }, 'busy');
    await until('all came', () => taken.length === 1000);
    assert.deepEqual(taken, numbers(1000).map(String));
    assert.deepEqual(tally(batches.map(String)), { 10: 100 });
  });
}

test('one thread takes and awaits its own: max is kept, keys and data are what was posted', async (t) => {
  const { completions } = crew(t, 1);
  completions.post({ key: 5, data: 'five' });
  completions.post({ data: Buffer.from([1, 2]) });
  completions.post({ key: 2 ** 32 - 1 });
  const [first] = await completions.dequeue({ max: 1 });
  assert.deepEqual([first!.type, first!.key, String(first!.data)], ['posted', 5, 'five']);
  assert.deepEqual(completions.tryDequeue(5).map(({ key, data }) => [key, [...data]]), [[0, [1, 2]], [2 ** 32 - 1, []]]);
  assert.deepEqual(completions.tryDequeue(), []);
  const waiting = completions.dequeue();
  await turn();
  completions.post({ key: 9 });
  assert.equal((await waiting)[0]!.key, 9);
});

test('threads are released last-in first-out', async (t) => {
  const { completions, start, taken, takenBy } = crew(t, 4);
  const threads = [await start(), await start({ how: 'dequeue' }), await start()];
  for (const number of numbers(10)) {
    completions.post({ data: `${number}` });
    await until('it is taken, and the thread waits again', () => taken.length === number + 1 && completions.info().waiting === 3);
  }
  assert.deepEqual(threads.map((thread) => takenBy.get(thread)!.length), [0, 0, 10]);
});

test('a thread that has waited long is not the last that came: it looks around now and then, and keeps its turn', async (t) => {
  const { completions, start, taken, takenBy } = crew(t, 1); // one place: who looks around just when the other is called can't be faster
  const [first, last] = [await start(), await start({ how: 'dequeue' })];
  await sleep(1500);
  completions.post({ data: 'x' });
  await until('it came', () => taken.length === 1);
  assert.deepEqual([takenBy.get(first)!.length, takenBy.get(last)!.length], [0, 1]);
});

test('no more threads work at once than the concurrency says, as they count themselves', async (t) => {
  for (const concurrency of [1, 2, 3]) {
    const { completions, start, taken, words } = crew(t, concurrency);
    await Promise.all(numbers(5).map((number) => start({ how: number % 2 === 0 ? 'dequeue' : 'dequeueSync', max: 3 }, 'busy')));
    await until('all wait', () => completions.info().waiting === 5);
    for (const _ of numbers(120)) completions.post({ data: 'spin 1' });
    await until('all came', () => taken.length === 120 && Atomics.load(words, Board.taken) === 120);
    assert.equal(Atomics.load(words, Board.peak), concurrency);
    assert.equal(completions.info().peak, concurrency);
    completions[Symbol.dispose]();
  }
});

test('without a number as many threads work at once as there are processors', () => {
  for (const options of [undefined, {}, { concurrency: 0 }]) {
    using completions = new CompletionPort(options);
    assert.equal(completions.concurrency, availableParallelism());
  }
});

test('a thread belongs to the completion port that it asked last', async (t) => {
  const [one, other] = [crew(t, 1).completions, crew(t, 1).completions];
  one.post({ data: 'a' });
  other.post({ data: 'b' });
  assert.equal((await one.dequeue()).length, 1);
  assert.deepEqual([one.info().running, other.info().running], [1, 0]);
  assert.equal((await other.dequeue()).length, 1);
  assert.deepEqual([one.info().running, other.info().running], [0, 1]);
});

test('while a dequeue of a thread waits, it can ask nowhere else, at this completion port or another: its wait stays good', async (t) => {
  const [one, other] = [crew(t, 1).completions, crew(t, 1).completions];
  const waits = one.dequeue();
  const refused = failsWith('ERR_ALPC_INVALID_ARGUMENT', /waits in a dequeue/);
  assert.throws(() => one.tryDequeue(), refused);
  assert.throws(() => one.dequeueSync({ timeout: 0 }), refused);
  await assert.rejects(one.dequeue(), refused);
  assert.throws(() => other.tryDequeue(), refused);
  assert.throws(() => other.dequeueSync({ timeout: 0 }), refused);
  await assert.rejects(other.dequeue(), refused);
  assert.equal(one.info().waiting, 1);
  one.post({ data: 'a' });
  assert.equal(String((await waits)[0]!.data), 'a');
  other.post({ data: 'b' });
  assert.equal(String(other.tryDequeue()[0]!.data), 'b');
});

test('a thread that leaves while it waits gives its seat back, and so does one that asks or answers when it has left', async (t) => {
  const { completions } = crew(t, 1);
  for (const _ of numbers(300)) {
    const opened = CompletionPort.open(completions.handle);
    const waits = opened.dequeue();
    opened.leave();
    await assert.rejects(waits, failsWith('ERR_ALPC_CLOSED'));
    await assert.rejects(opened.dequeue(), failsWith('ERR_ALPC_CLOSED'));
    assert.throws(() => opened.dequeueSync({ timeout: 0 }), failsWith('ERR_ALPC_CLOSED'));
    opened.concurrency = 1;
  }
  completions.post({ data: 'a' });
  assert.equal(completions.tryDequeue().length, 1);
});

test('waits that end by their timeout leave nothing behind', async (t) => {
  const { completions } = crew(t, 1);
  const { waitAsync } = Atomics;
  let waits = 0;
  Atomics.waitAsync = ((...given: Parameters<typeof waitAsync>) => (waits++, waitAsync(...given))) as typeof waitAsync;
  atEnd(t, () => void (Atomics.waitAsync = waitAsync));
  for (const _ of numbers(50)) await assert.rejects(completions.dequeue({ timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(waits, 1);
  setTimeout(() => completions.post({ data: 'a' }), 5);
  assert.equal(String((await completions.dequeue())[0]!.data), 'a');
});

test('the concurrency may be changed while threads work', async (t) => {
  const { completions, start, words } = crew(t, 1);
  for (const _ of numbers(3)) await start();
  for (const _ of numbers(3)) completions.post({ data: 'gate' });
  await until('one works', () => Atomics.load(words, Board.working) === 1);
  assert.equal(completions.info().running, 1);
  completions.concurrency = 3;
  completions.post({ data: 'gate' });
  await until('all work', () => Atomics.load(words, Board.working) === 3);
  Atomics.store(words, Board.gate, 1);
  Atomics.notify(words, Board.gate);
  await until('the last came', () => Atomics.load(words, Board.taken) === 4);
});

for (const lowered of [2, 1]) {
  test(`a concurrency that is lowered from 3 to ${lowered} while threads work is not exceeded from then on`, async (t) => {
    const { completions, start, words } = crew(t, 3);
    for (const _ of numbers(3)) await start();
    for (const _ of numbers(3)) completions.post({ data: 'gate' });
    await until('all work', () => Atomics.load(words, Board.working) === 3);
    completions.concurrency = lowered;
    Atomics.store(words, Board.peak, 0); // each that begins counts who works with it
    for (const _ of numbers(50)) completions.post({ data: 'spin 1' });
    Atomics.store(words, Board.gate, 1);
    Atomics.notify(words, Board.gate);
    await until('all is done', () => Atomics.load(words, Board.taken) === 53);
    assert.ok(Atomics.load(words, Board.peak) <= lowered);
  });
}

/** For each wait of this library that blocks a thread: what the thread is told to do, what must happen for it to come so far, and what ends the wait. */
interface Blocking {
  readonly what: string;
  readonly order: string;
  readonly connect?: 'ask';
  readonly begin?: (port: ConnectionPort) => void;
  readonly end: (port: ConnectionPort, event: Event, word: View) => unknown;
}

/** What came by `callbackSync`, and waits to be answered. */
const calledBack: RequestMessage[] = [];
const callBack = (client: ServerPort): void => void client.request('', { onCallback: (message) => void calledBack.push(message) }).catch(() => {});
const answer = (port: ConnectionPort): unknown => port.setCallback((message) => void (message.type === 'request' && message.reply('')));
const BLOCKING: readonly Blocking[] = [
  { what: 'a call', order: `block ${SLOW}`, end: answer },
  { what: 'connecting', order: `connect ${SLOW}`, connect: 'ask', end: (port) => port.setCallback((message) => void (message.type === 'connection-request' && message.accept())) },
  { what: 'a message that finds no room', order: `push ${SLOW}`, end: (port) => port.setCallback(() => {}) },
  { what: 'a call back to its caller', order: `call-back ${SLOW}`, begin: (port) => port.on('connect', callBack), end: () => calledBack.pop()!.reply('') },
  { what: "a client's receive", order: `listen ${SLOW}`, end: (port) => port.connections[0]!.tryPost('') },
  { what: "a server's receive", order: `serve ${OTHER}`, end: async () => (await connectPort(OTHER)).close() },
  { what: 'a wait for an event', order: `await ${READY}`, end: (_, event) => event.set() },
  { what: 'a wait for any of several events', order: `any ${READY}`, end: (_, event) => event.set() },
  { what: 'a wait for all of several events', order: `all ${READY}`, end: (_, event) => event.set() },
  {
    what: 'a wait for a word of shared memory',
    order: `watch ${WORD}`,
    end: (_port, _event, word) => {
      Atomics.store(new Int32Array(word.buffer), 0, 1);
      word.notify(0);
    },
  },
  { what: 'a wait for a region to come free', order: `allot ${SLOW}`, end: (port) => port.setCallback((message) => void (message.type === 'datagram' && message.release())) },
];

for (const { what, order, connect, begin, end } of BLOCKING) {
  test(`a thread that blocks in ${what} gives its place to another`, async (t) => {
    const { completions, start, words } = crew(t, 1);
    temporaryRoot(t);
    await using slow = await createPort(SLOW, { accepts: ['view'], ...(connect === undefined ? {} : { connect }) });
    begin?.(slow);
    using event = createEvent(READY);
    using section = createNamedSection(WORD, 4096);
    atEnd(t, () => removeObject(WORD));
    await start();
    await start();
    completions.post({ data: order.replaceAll('RPC Control', 'RPC_Control') });
    await until('the first has given its place away in the wait that is meant', () => Atomics.load(words, Board.waits) === 1 && completions.info().blocked === 1);
    completions.post({ data: 'other' });
    await until('the other has worked', () => Atomics.load(words, Board.taken) === 1);
    assert.equal(completions.info().peak, 1);
    await end(slow, event, section.createView());
    await until('the first has gone on', () => Atomics.load(words, Board.taken) === 2);
  });
}

test('a thread that blocks until there is room for its answer gives its place to another', async (t) => {
  const { completions, start, words } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  await start({ max: 64 });
  await start();
  completions.post({ data: 'gate' });
  await until('one works', () => Atomics.load(words, Board.working) === 1);
  const replies = numbers(40).map(() => client.request(`echo ${'x'.repeat(60_000)}`));
  await until('the others are queued', () => completions.info().queued === 41);
  Atomics.store(words, Board.gate, 1);
  Atomics.notify(words, Board.gate);
  // This thread owns the port and would fetch the answers: it does not turn its event loop now.
  untilSync('one waits for room', () => completions.info().blocked > 0);
  const taken = Atomics.load(words, Board.taken);
  assert.ok(taken < 40);
  completions.post({ data: 'other' });
  untilSync('the other has worked', () => completions.info().blocked > 1 || Atomics.load(words, Board.taken) > taken);
  for (const reply of await Promise.all(replies)) assert.equal(reply.data.length, 60_000 + ' by 7'.length);
});

/** As `until`, and blocks this thread meanwhile. */
function untilSync(what: string, look: () => boolean): void {
  for (const deadline = performance.now() + 20_000; !look(); blockFor(1)) assert.ok(performance.now() < deadline, `waited in vain until ${what}`);
}

test('a thread that computes keeps its place, and so does one that awaits', async (t) => {
  const { completions, start, words } = crew(t, 1);
  await start();
  await start();
  completions.post({ data: 'gate' });
  await until('the first works', () => Atomics.load(words, Board.working) === 1);
  completions.post({ data: 'other' });
  for (const _ of numbers(20)) await turn();
  assert.deepEqual([completions.info().running, completions.info().waiting, Atomics.load(words, Board.taken)], [1, 1, 0]);
  Atomics.store(words, Board.gate, 1);
  Atomics.notify(words, Board.gate);
  await until('both have worked', () => Atomics.load(words, Board.taken) === 2);
});

test('a thread that comes back from blocking may be one too many for a while: then nothing is handed out', async (t) => {
  const { completions, start, words } = crew(t, 1);
  temporaryRoot(t);
  await using slow = await createPort('\\RPC Control\\slow');
  await start();
  await start();
  completions.post({ data: 'block \\RPC_Control\\slow' });
  const request = await slow.receive();
  await until('the first has given its place away', () => completions.info().blocked === 1);
  completions.post({ data: 'gate' });
  await until('the other works', () => Atomics.load(words, Board.working) === 1);
  completions.post({ data: 'third' });
  if (request.type === 'request') request.reply('');
  await until('the first has gone on', () => Atomics.load(words, Board.taken) === 1 && completions.info().waiting === 1);
  assert.equal(completions.info().running, 1);
  Atomics.store(words, Board.gate, 1);
  Atomics.notify(words, Board.gate);
  await until('the third came', () => Atomics.load(words, Board.taken) === 3);
});

test('waits end by timeout and signal, and what comes then is for another', async (t) => {
  const { completions, start, taken } = crew(t, 1);
  assert.throws(() => completions.dequeueSync({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => completions.dequeueSync({ timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  await assert.rejects(completions.dequeue({ timeout: 0 }), failsWith('ERR_ALPC_TIMEOUT'));
  await assert.rejects(completions.dequeue({ timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  for (const number of numbers(100)) await assert.rejects(completions.dequeue({ timeout: 1 + (number % 3) }), failsWith('ERR_ALPC_TIMEOUT'));
  const abort = new AbortController();
  const waiting = completions.dequeue({ signal: abort.signal });
  await assert.rejects(completions.dequeue(), failsWith('ERR_ALPC_INVALID_ARGUMENT', /waits in a dequeue already/));
  abort.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  assert.equal(completions.info().waiting, 0);
  await start();
  completions.post({ data: 'x' });
  await until('it came', () => taken.length === 1);
});

test('close wakes all who wait, in every thread', async (t) => {
  const { completions, start } = crew(t, 4);
  const threads = [await start(), await start({ how: 'dequeue' }), await start()];
  const waiting = assert.rejects(completions.dequeue(), failsWith('ERR_ALPC_CLOSED'));
  const ends = threads.map((thread) => once(thread, 'exit'));
  completions.close();
  await waiting;
  await Promise.all(ends);
  assert.ok(completions.closed);
  assert.throws(() => completions.dequeueSync(), failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => completions.post({}), failsWith('ERR_ALPC_CLOSED'));
  assert.deepEqual(completions.tryDequeue(), []);
});

test('ten thousand packets while threads come, go and wait at random: nothing is lost or doubled', async (t) => {
  const { completions, start, taken, gone, words, batches } = crew(t, 2);
  const state = { over: false, threads: 0 };
  const hows = ['dequeueSync', 'dequeue', 'bursts'] as const;
  const coming = hows.map(async (how, index) => {
    for (; !state.over; state.threads++) await gone(await start({ how, max: index === 0 ? 3 : 1, leaveAfter: 200 }, 'busy'));
  });
  for (const number of numbers(10_000)) {
    completions.post({ data: `${number}` });
    if (number % 250 === 0) await new Promise((resolve) => void setTimeout(resolve, Math.random() * 3));
  }
  while (taken.length < 10_000) await sleep(5); // some fifty threads take their time to start
  state.over = true;
  completions.close();
  await Promise.all(coming);
  assert.deepEqual(taken.toSorted((x, y) => Number(x) - Number(y)), numbers(10_000).map(String));
  assert.ok(state.threads > 30, `only ${state.threads} threads came and went`);
  assert.ok(batches.filter((count) => count === 1).length > 1000, 'mostly one packet at a time');
  assert.ok(Atomics.load(words, Board.peak) <= 2 && completions.info().peak <= 2, 'as they count themselves, and as the port does');
});

test('bad arguments are refused by name', async (t) => {
  const { completions } = crew(t, 1);
  const refused = async (name: string, call: () => unknown): Promise<void> => assert.rejects(async () => call(), failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`^argument '${name}'`)));
  for (const value of [-1, 257, 1.5, '1', null]) await refused('options.concurrency', () => new CompletionPort({ concurrency: value as number }));
  for (const value of [0, 1000, 300_000, 2 ** 31, '1', null]) await refused('options.packetBytes', () => new CompletionPort({ packetBytes: value as number }));
  for (const value of [null, 5, { concurency: 1 }]) await refused('options', () => new CompletionPort(value as object));
  for (const value of [undefined, null, 5, {}, { completionPort: new ArrayBuffer(8) }, { completionPort: new SharedArrayBuffer(64) }]) await refused('handle', () => CompletionPort.open(value as never));
  for (const length of [2, 8, 256, 600_000, completions.handle.completionPort.byteLength - 1]) {
    const cutOff = new SharedArrayBuffer(length); // of one that is shorter than it says
    new Uint8Array(cutOff).set(new Uint8Array(completions.handle.completionPort).subarray(0, Math.min(length, 64)));
    await refused('handle', () => CompletionPort.open({ completionPort: cutOff }));
  }
  for (const value of [0, 257, 1.5, '1']) await refused('concurrency', () => void (completions.concurrency = value as number));
  for (const value of [-1, 2 ** 32, 1.5, '1', null]) await refused('packet.key', () => completions.post({ key: value as number }));
  for (const value of [5, null, {}]) await refused('packet.data', () => completions.post({ data: value as never }));
  for (const value of [undefined, null, 5, { kee: 1 }]) await refused('packet', () => completions.post(value as object));
  for (const call of [(options: unknown) => completions.dequeue(options as object), (options: unknown) => completions.dequeueSync(options as object)]) {
    for (const value of [null, 5, { maximum: 1 }]) await refused('options', () => call(value));
    for (const value of [0, 1.5, 65_537, '1']) await refused('options.max', () => call({ max: value }));
    for (const value of [-1, '1', null, Number.NaN]) await refused('options.timeout', () => call({ timeout: value }));
  }
  await refused('options.signal', () => completions.dequeue({ signal: 5 as never }));
  await refused('max', () => completions.tryDequeue(0));
  const fields = new Int32Array(15);
  for (const value of [undefined, null, 5, {}, { fields, data: Buffer.alloc(0), identity: 0 }, { fields: [1], data: Buffer.alloc(0) }]) await refused('shared', () => completions.takeOver(value as never));
  const { port } = await serve(t, completions);
  for (const value of [undefined, null, {}, 5]) await refused('completions', () => port.associate(value as never, 1));
  completions.leave();
  await using other = await createPort('\\RPC Control\\other');
  for (const value of [undefined, -1, 'x', 2 ** 32]) await refused('key', () => other.associate(new CompletionPort(), value as never));
  assert.equal(nameOf(await other.receive({ timeout: 0 }).catch((error: unknown) => error)), 'ERR_ALPC_TIMEOUT');
});

test('a completion port for which there is no memory is an error of its own', (t) => {
  const refusal = new RangeError('Array buffer allocation failed');
  t.mock.method(globalThis, 'SharedArrayBuffer', function (): never {
    throw refusal;
  });
  assert.throws(() => new CompletionPort({ packetBytes: 1 << 30 }), (error: Error) => failsWith('ERR_ALPC_INSUFFICIENT_RESOURCES', /no memory of \d+ bytes/)(error) && error.cause === refusal);
});
