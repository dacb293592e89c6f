/**
 * The completion list: nobody is notified, and the consumer looks when it likes. What does not fit falls back to the ordinary queue.
 * Clients here are of this very process, or of others where it matters.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { array, assert as check, asyncProperty, constant, integer, nat, oneof, record } from 'fast-check';
import { CompletionList, createPort, type Message } from '../../src/index.js';
import { libc, libuv } from '../../src/platform/system.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { ownRoot, startClient } from '../process/serving.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { NAME, open, texts } from './listed.js';

withLedger();

/** How many system calls this library makes in this thread while `work` runs. */
function systemCalls(work: () => void): number {
  let count = 0;
  const restores = ([libc(), libuv()] as unknown as Record<string, (...args: unknown[]) => unknown>[]).map((table) => {
    const originals = { ...table };
    for (const [name, call] of Object.entries(originals)) {
      table[name] = (...args) => {
        count++;
        return call(...args);
      };
    }
    return () => Object.assign(table, originals);
  });
  try {
    work();
  } finally {
    for (const restore of restores) restore();
  }
  return count;
}

test('the counter of system calls counts them', () => {
  assert.equal(systemCalls(() => void libc().getuid()), 1);
  assert.equal(systemCalls(() => void libuv().uv_handle_size(8)), 1);
  assert.equal(systemCalls(() => {}), 0);
});

test('a message to a port that is armed, because somebody wants it, does make one: its bell', async (t) => {
  const { port, clients } = await open(t, 1, { spin: false });
  port.on('message', () => {});
  await until('a message found the port at rest', () => systemCalls(() => void clients[0]!.tryPost('wake up')) > 0);
});

test('a message to a port with a list, and its poll, make no system call: nobody is notified', async (t) => {
  const { port, clients } = await open(t, 3);
  const list = port.registerCompletionList();
  await turn();
  let polled: Message[] = [];
  const calls = systemCalls(() => {
    for (const [number, client] of clients.entries()) for (const index of numbers(5)) client.tryPost(`${number}.${index}`);
    polled = list.poll(100);
  });
  assert.equal(calls, 0);
  assert.deepEqual(texts(polled).toSorted(), numbers(3).flatMap((number) => numbers(5).map((index) => `${number}.${index}`)));
  assert.deepEqual(list.poll(), []);
});

test('messages that were there before the list are in it, and armed connections no longer ring', async (t) => {
  const { port, clients } = await open(t, 2, { spin: false });
  const heard = port.receive(); // so that the connections are armed
  clients[0]!.tryPost('first');
  assert.equal(String((await heard).data), 'first');
  const wanted = assert.rejects(port.receive({ timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  await wanted;
  clients[1]!.tryPost('before');
  const list = port.registerCompletionList();
  assert.equal(systemCalls(() => void clients[0]!.tryPost('after')), 0);
  assert.deepEqual(texts(list.poll()).toSorted(), ['after', 'before']);
});

test('poll is fair over all connections: one that floods delays another by a bounded number', async (t) => {
  const { port, clients } = await open(t, 3);
  const list = port.registerCompletionList();
  while (clients[0]!.tryPost('flood') === 'sent');
  while (clients[1]!.tryPost('flood') === 'sent');
  for (const index of numbers(40)) clients[2]!.tryPost(`polite ${index}`);
  const order: string[] = [];
  for (;;) {
    const batch = texts(list.poll(7));
    if (batch.length === 0) break;
    order.push(...batch);
  }
  const last = order.indexOf('polite 39');
  assert.ok(order.length > 2000 && last < 40 + 2 * 3 * 16 + 16, `the last polite message came at ${last} of ${order.length}`);
});

test('poll takes max at most, and a wrong max is refused by name', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  for (const index of numbers(10)) clients[0]!.tryPost(`${index}`);
  assert.deepEqual([list.poll(3).length, list.poll(4).length, list.poll(100).length], [3, 4, 3]);
  for (const max of [0, -1, 1.5, Number.NaN, '3', 1_000_001]) assert.throws(() => list.poll(max as number), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'max'/));
});

test('a port has one list at a time, and after it another', async (t) => {
  const { port } = await open(t, 0);
  const list = port.registerCompletionList();
  assert.throws(() => port.registerCompletionList(), failsWith('ERR_ALPC_ALREADY_SET', /has a completion list/));
  list.unregister();
  port.registerCompletionList().unregister();
  await port.close();
  assert.throws(() => port.registerCompletionList(), failsWith('ERR_ALPC_CLOSED'));
});

test('bad options are refused by name, and the port has no list then', async (t) => {
  const { port } = await open(t, 0);
  for (const key of ['entries', 'bytes', 'concurrency']) {
    for (const value of [0, -1, 1.5, '1', null, 2 ** 31]) assert.throws(() => port.registerCompletionList({ [key]: value }), failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`^argument 'options.${key}'`)));
  }
  for (const value of [-1, 65_504, '1', null]) assert.throws(() => port.registerCompletionList({ maxDataLength: value as number }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options.maxDataLength'/));
  for (const options of [null, 5, [], { entrys: 1 }]) assert.throws(() => port.registerCompletionList(options as object), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'options'/));
  assert.ok(port.registerCompletionList() instanceof CompletionList);
});

test('requests are answered as ever, and count as outstanding until then', async (t) => {
  const { port, clients } = await open(t, 2);
  const list = port.registerCompletionList();
  const replies = clients.map((client, index) => client.request(`ask ${index}`));
  const [first, second] = list.poll();
  assert.equal(list.outstanding, 2);
  assert.ok(first?.type === 'request' && second?.type === 'request');
  first.reply('one');
  assert.equal(list.outstanding, 1);
  second.reply('two');
  assert.equal(list.outstanding, 0);
  assert.deepEqual((await Promise.all(replies)).map((reply) => String(reply.data)).toSorted(), ['one', 'two']);
});

test('a request whose caller gives up is outstanding no more', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  const given = new AbortController();
  const reply = clients[0]!.request('ask', { signal: given.signal });
  assert.equal(list.poll().length, 1);
  given.abort();
  await assert.rejects(reply, { name: 'AbortError' });
  assert.deepEqual(list.poll().map(({ type }) => type), ['canceled']);
  assert.equal(list.outstanding, 0);
});

test('last tells the ids of the message that was polled last', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  assert.deepEqual(list.last, { messageId: 0, callbackId: 0 });
  const reply = clients[0]!.request('ask');
  const [message] = list.poll();
  assert.ok(message?.type === 'request');
  assert.deepEqual(list.last, { messageId: message.id, callbackId: 0 });
  message.reply('answer');
  await reply;
});

test('last tells the id of the request that the sender of the message works on, when it calls back', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = clients[0]!.registerCompletionList();
  const reply = clients[0]!.request('ask');
  const asked = await port.receive();
  assert.ok(asked.type === 'request');
  const back = asked.callback('and you?');
  await turnsUntil(() => list.hasMessages);
  const [message] = list.poll();
  assert.ok(message?.type === 'request' && asked.id !== 0);
  assert.deepEqual(list.last, { messageId: message.id, callbackId: asked.id });
  message.reply('fine');
  assert.equal(String((await back).data), 'fine');
  asked.reply('');
  await reply;
});

test('what is more than `bytes` with all that is outstanding falls back, until there is room again', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ bytes: 10 });
  const replies = ['123456', '7890', 'x'].map((text) => clients[0]!.request(text));
  const held = list.poll();
  assert.deepEqual(texts(held), ['123456', '7890'], 'ten bytes are in it');
  const other = port.tryReceive();
  assert.equal(String(other?.data), 'x');
  assert.equal(list.counts.fellBack, 1);
  for (const message of [...held, other]) if (message?.type === 'request') message.reply('');
  await Promise.all(replies);
  clients[0]!.tryPost('1234567890');
  clients[0]!.tryPost('12345678901');
  assert.deepEqual(texts(list.poll()), ['1234567890'], 'eleven bytes never fit');
  assert.equal(String(port.tryReceive()?.data), '12345678901');
});

test('a message that is too long for the list falls back to the ordinary queue, with or without a poll', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ maxDataLength: 4 });
  for (const text of ['a', 'too long 1', 'b', 'too long 2']) clients[0]!.tryPost(text);
  assert.deepEqual(texts(list.poll()), ['a', 'b']);
  assert.equal(String((await port.receive()).data), 'too long 1');
  clients[0]!.tryPost('c');
  clients[0]!.tryPost('too long 3');
  assert.equal(String(port.tryReceive()!.data), 'too long 2');
  assert.equal(String((await port.receive()).data), 'too long 3');
  assert.deepEqual(texts(list.poll()), ['c'], 'what was read on the way is in the list');
  assert.deepEqual(list.counts, { polled: 3, fellBack: 3 });
});

test('a list that is full of outstanding requests lets more fall back, until they are answered', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ entries: 2 });
  const replies = numbers(4).map((index) => clients[0]!.request(`${index}`));
  const held = list.poll();
  assert.deepEqual(texts(held), ['0', '1']);
  const others = [port.tryReceive(), port.receiveSync({ timeout: 1000 })];
  assert.deepEqual(others.map((message) => String(message!.data)), ['2', '3']);
  for (const message of [...held, ...others]) if (message?.type === 'request') message.reply(message.data);
  assert.deepEqual((await Promise.all(replies)).map((reply) => String(reply.data)), ['0', '1', '2', '3']);
  clients[0]!.tryPost('fits');
  assert.deepEqual(texts(list.poll()), ['fits']);
});

test('whatever sizes, polls, receives, answers and re-registrations: nothing is lost or doubled', async (t) => {
  const { port, clients } = await open(t, 2);
  const step = oneof(
    record({ do: constant('send' as const), client: nat(1), length: integer({ min: 8, max: 40 }) }),
    record({ do: constant('ask' as const), client: nat(1), length: integer({ min: 8, max: 40 }) }),
    record({ do: constant('poll' as const), max: integer({ min: 1, max: 5 }) }),
    record({ do: constant('receive' as const) }),
    record({ do: constant('answer' as const) }),
    record({ do: constant('again' as const), entries: integer({ min: 1, max: 6 }), maxDataLength: integer({ min: 8, max: 40 }) }),
  );
  await check(
    asyncProperty(array(step, { maxLength: 60 }), async (steps) => {
      let list = port.registerCompletionList({ entries: 3, maxDataLength: 20 });
      const seen: string[] = [];
      const unanswered: Message[] = [];
      const replies: Promise<unknown>[] = [];
      let sent = 0;
      const see = (message: Message | undefined): void => {
        if (message === undefined) return;
        seen.push(String(message.data).slice(0, 6));
        if (message.type === 'request') unanswered.push(message);
      };
      const answer = (): void => {
        for (const message of unanswered.splice(0)) if (message.type === 'request') message.reply('');
      };
      const text = (length: number): string => `${String(sent++).padStart(6, '0')}${'.'.repeat(length - 6)}`;
      for (const given of steps) {
        if (given.do === 'send') assert.equal(clients[given.client]!.tryPost(text(given.length)), 'sent');
        else if (given.do === 'ask') replies.push(clients[given.client]!.request(text(given.length)));
        else if (given.do === 'poll') for (const message of list.poll(given.max)) see(message);
        else if (given.do === 'receive') see(port.tryReceive());
        else if (given.do === 'answer') answer();
        else {
          list.unregister();
          list = port.registerCompletionList({ entries: given.entries, maxDataLength: given.maxDataLength });
        }
      }
      for (let before = -1; before !== seen.length; ) {
        before = seen.length;
        for (const message of list.poll(100)) see(message);
        see(port.tryReceive());
        answer();
      }
      list.unregister();
      assert.equal(port.tryReceive(), undefined);
      assert.deepEqual(seen.toSorted(), numbers(sent).map((number) => String(number).padStart(6, '0')));
      await Promise.all(replies);
    }),
    { numRuns: 150 },
  );
});

test('wait resolves when something comes, at once when something is there, and ends by timeout and signal', async (t) => {
  const { port, clients } = await open(t, 2, { spin: false });
  const list = port.registerCompletionList();
  for (const index of numbers(5)) {
    const waited = list.wait();
    await turn();
    clients[index % 2]!.tryPost(`${index}`);
    await waited;
    clients[(index + 1) % 2]!.tryPost(`also ${index}`);
    assert.equal(list.poll().length, 2, 'one that did not ring is seen too');
  }
  clients[0]!.tryPost('there');
  await list.wait({ timeout: 0 });
  assert.equal(list.poll().length, 1);
  await assert.rejects(list.wait({ timeout: 1 }), failsWith('ERR_ALPC_TIMEOUT'));
  await assert.rejects(list.wait({ signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  const aborted = new AbortController();
  const waited = list.wait({ signal: aborted.signal });
  aborted.abort(new Error('later'));
  await assert.rejects(waited, /later/);
});

test('the event is set on arrival once somebody has asked for it, and reset by a poll that finds nothing more', async (t) => {
  const { port, clients } = await open(t, 2, { spin: false });
  const list = port.registerCompletionList();
  assert.equal(systemCalls(() => void clients[0]!.tryPost('before it was asked for')), 0);
  const { event } = list;
  for (const index of numbers(4)) {
    await event.wait();
    assert.equal(event.state, true);
    assert.equal(list.poll(1).length, 1);
    assert.equal(event.state, true, 'nobody has found the list empty');
    assert.deepEqual(list.poll(), []);
    assert.equal(event.state, false);
    for (const _ of numbers(3)) await turn();
    clients[index % 2]!.tryPost('again');
  }
  await event.wait();
  list.unregister();
  assert.ok(event.closed);
  assert.throws(() => list.event, failsWith('ERR_ALPC_CLOSED'));
  assert.equal(String(port.tryReceive()!.data), 'again');
});

test('workers enter up to the concurrency count, which may be changed; one that leaves is told of what came meanwhile', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ concurrency: 2 });
  assert.deepEqual([list.enter(), list.enter(), list.enter()], [true, true, false]);
  list.concurrency = 3;
  assert.deepEqual([list.enter(), list.workers], [true, 3]);
  list.concurrency = 1;
  assert.equal(list.leave(), false);
  assert.equal(list.enter(), false, 'two are more than one already');
  clients[0]!.tryPost('meanwhile');
  assert.equal(list.leave(), true);
  assert.equal(list.poll().length, 1);
  assert.equal(list.leave(), false);
  assert.throws(() => list.leave(), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  for (const count of [0, 1.5, 70_000, '1']) assert.throws(() => void (list.concurrency = count as number), failsWith('ERR_ALPC_INVALID_ARGUMENT', /^argument 'concurrency'/));
});

/** Somebody waits while a message is there and every worker's place is taken; `release` is what lets it go on. */
async function waitsUntil(t: TestContext, release: (list: CompletionList) => unknown): Promise<void> {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ concurrency: 1 });
  assert.ok(list.enter());
  let released = false;
  const waited = list.wait().then(() => (released = true));
  clients[0]!.tryPost('x');
  for (const _ of numbers(20)) await turn();
  assert.equal(released, false);
  release(list);
  await waited;
}

test('who waits is released only when a worker has a place', (t) => waitsUntil(t, (list) => list.leave()));

test('who waits is released when the concurrency is raised', (t) => waitsUntil(t, (list) => (list.concurrency = 2)));

test('a client has a list too: what the server sends lies there, and its end is the last message', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = clients[0]!.registerCompletionList();
  const server = port.connections[0]!;
  server.tryPost('one');
  const reply = server.request('two');
  const messages = list.poll();
  assert.deepEqual(messages.map(({ type, data }) => `${type} ${String(data)}`), ['datagram one', 'request two']);
  if (messages[1]!.type === 'request') messages[1]!.reply('yes');
  assert.equal(String((await reply).data), 'yes');
  server.disconnect();
  await list.wait();
  assert.deepEqual(list.poll().map(({ type }) => type), ['port-closed']);
});

test('newcomers, requests of other processes, and their deaths: all is in the list while the event loop turns', async (t) => {
  ownRoot(t);
  await using port = await createPort(NAME, { connect: 'ask' });
  const list = port.registerCompletionList();
  const client = startClient(t);
  const connecting = client.ask({ type: 'connect', name: NAME }, 'connected');
  const types: string[] = [];
  const see = (): void => {
    for (const message of list.poll()) {
      types.push(message.type);
      if (message.type === 'connection-request') message.accept();
    }
  };
  await until('it has been let in', () => (see(), types.length > 0));
  await connecting;
  const killed = client.kill();
  await until('its death is told', () => (see(), types.includes('port-closed')));
  await killed;
  assert.deepEqual(types, ['connection-request', 'port-closed']);
  await killed;
});
