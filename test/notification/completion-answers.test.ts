/**
 * Requests that come as packets: whoever answers, whenever and in whichever thread, each has exactly one end, also when its
 * thread is terminated, its caller gives up, or the completion port is closed.
 */
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { CompletionPort, connectPort, createPort, type Packet, type SharedRequest } from '../../src/index.js';
import { libc } from '../../src/platform/system.js';
import { failsWith, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import type { Haunt } from './completion-ghost.js';
import type { Told } from './completion-worker.js';
import { crew, NAME, serve } from './crew.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

test('an answer may come later than the next dequeue, once, and not to a caller that gave up', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const replies = [client.request('a'), client.request('b')];
  const abort = new AbortController();
  const givenUp = client.request('c', { signal: abort.signal });
  const requests: Packet[] = [];
  while (requests.length < 3) requests.push(...(await completions.dequeue({ max: 1 })));
  const [a, b, c] = requests;
  assert.ok(a?.type === 'request' && b?.type === 'request' && c?.type === 'request');
  assert.deepEqual([b.reply('B'), a.reply('A')], ['sent', 'sent']);
  assert.throws(() => a.reply('again'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.throws(() => c.reply('x'.repeat(65_504)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  assert.deepEqual((await Promise.all(replies)).map((reply) => String(reply.data)), ['A', 'B']);
  assert.ok(c.isPending);
  abort.abort();
  await assert.rejects(givenUp, { name: 'AbortError' });
  const [canceled] = await completions.dequeue();
  assert.ok(canceled?.type === 'canceled' && canceled.id === c.id && canceled.connection === c.connection);
  assert.equal(c.isPending, false);
  assert.equal(c.reply('late'), 'canceled');
  const declined = outcomeOf(client.request('d'));
  const [d] = await completions.dequeue();
  if (d?.type === 'request') d.cancel();
  assert.equal(await declined, 'ERR_ALPC_CANCELED');
});

test('a packet carries bytes alone, and has what a handler of messages looks at; an answer that asks for more is refused by name, and may be given anew', async (t) => {
  const { completions } = crew(t, 1);
  temporaryRoot(t);
  await using port = await createPort(NAME, { accepts: ['file'] });
  port.associate(completions, 1);
  await using client = await connectPort(NAME);
  const file = openSync('/proc/self/stat', 'r');
  atEnd(t, () => closeSync(file));
  const call = client.request('', { handles: [file] });
  const [request] = await completions.dequeue();
  completions.post({});
  const [posted] = await completions.dequeue();
  for (const packet of [request!, posted!]) {
    using same = packet;
    assert.deepEqual([same.view, same.handles.length], [undefined, 0]);
    same.release();
  }
  assert.equal(port.connections[0]!.info().heldHandles, 0);
  assert.ok(request?.type === 'request');
  const refusals: [name: string, options: unknown][] = [
    ['options.handles', { handles: [file] }], ['options.view', { view: {} }], ['options.workOnBehalfOf', { unmapExisting: true, workOnBehalfOf: null }],
    ['options.unmapExisting', { unmapExisting: 1 }], ['options', { bogus: 1 }], ['options', null], ['options', 5],
  ];
  for (const [name, options] of refusals) assert.throws(() => request.reply('no', options as object), failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`^argument '${name}' (must be|has no option 'bogus')`)));
  assert.equal(request.reply('yes', { unmapExisting: true, handles: undefined } as object), 'sent');
  assert.equal(String((await call).data), 'yes');
});

test('a thread that goes to work lets the owner of the ports have the core before, when that has its answer to take still and few packets are left', async (t) => {
  const { completions } = crew(t, 2);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const other = CompletionPort.open(completions.handle); // as another thread has it
  atEnd(t, () => other.leave());
  const yields = t.mock.method(libc(), 'sched_yield').mock;
  /** Takes a packet and answers it, all in one turn of the event loop: whether the core was given away. */
  const serveOne = (taker: CompletionPort): boolean => {
    const before = yields.callCount();
    const [packet] = taker.tryDequeue(1);
    const yielded = yields.callCount() > before;
    assert.ok(packet?.type === 'request');
    packet.reply('');
    return yielded;
  };
  const replies = numbers(6).map(() => client.request(''));
  await until('all wait', () => completions.info().queued === 6);
  assert.deepEqual(numbers(6).map(() => serveOne(other)), [false, false, false, true, true, true]);
  await Promise.all(replies);
  for (const [what, taker] of [['the owner has taken all', other], ['it would be for itself', completions], ['nor then', completions]] as const) {
    const reply = client.request('');
    await until('it waits', () => completions.info().queuedBytes > 0);
    assert.equal(serveOne(taker), false, what);
    await reply;
  }
});

/** The request that a thread was told to hand over. */
async function handedBy(thread: Worker): Promise<SharedRequest> {
  for await (const [told] of on(thread, 'message') as AsyncIterable<[Told]>) if (told.type === 'shared') return told.request;
  throw new Error('unreachable');
}

test('an answer may come from any thread: one that takes the request over, after the handler has returned and the thread that took it has gone', async (t) => {
  const { completions, start } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const thread = await start();
  const shared = handedBy(thread);
  const reply = client.request('hand over');
  const packet = completions.takeOver(await shared);
  assert.deepEqual([packet.type, packet.key, String(packet.data), packet.isPending, packet.sender.pid], ['request', 7, 'hand over', true, process.pid]);
  await thread.terminate();
  completions.reap();
  assert.equal(packet.reply('from another thread'), 'sent');
  assert.equal(String((await reply).data), 'from another thread');
  assert.throws(() => packet.reply('again'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
});

test('of several threads that have a request only the first answers it', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const reply = client.request('one of us');
  const [first] = await completions.dequeue();
  assert.ok(first?.type === 'request');
  const [second, third] = [completions.takeOver(structuredClone(first.share())), completions.takeOver(first.share())];
  assert.equal(first.reply('the first'), 'sent');
  assert.deepEqual([second.isPending, third.isPending], [false, false]);
  assert.throws(() => second.reply('the second'), failsWith('ERR_ALPC_REPLY_MISMATCH'));
  assert.equal(String((await reply).data), 'the first');
  assert.equal(third.reply('later'), 'canceled');
});

test('what is shared has the bytes of its request and no others', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const reply = client.request('small');
  const [packet] = await completions.dequeue();
  assert.ok(packet?.type === 'request');
  assert.deepEqual([packet.share().data.buffer.byteLength, String(completions.takeOver(structuredClone(packet.share())).data)], [5, 'small']);
  packet.reply('');
  await reply;
});

test('a request that was shared and not taken over is declined when its thread ends, and one that was, when the other does', async (t) => {
  const { completions, start } = crew(t, 2);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const thread = await start();
  const shared = handedBy(thread);
  const outcome = outcomeOf(client.request('hand over'));
  const request = await shared;
  await thread.terminate();
  assert.equal(await outcome, 'ERR_ALPC_CANCELED');
  const late = completions.takeOver(request);
  assert.deepEqual([late.isPending, late.reply('late')], [false, 'canceled']);
  const held = outcomeOf(client.request('held'));
  const [packet] = await completions.dequeue();
  assert.ok(packet?.type === 'request');
  const code = `const { CompletionPort } = await import(${JSON.stringify(import.meta.resolve('../../src/index.js'))});
    const { workerData, parentPort } = await import('node:worker_threads');
    CompletionPort.open(workerData.handle).takeOver(workerData.shared);
    parentPort.postMessage('taken over');`;
  const other = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: { handle: completions.handle, shared: packet.share() } });
  await once(other, 'exit');
  completions.reap();
  assert.equal(await held, 'ERR_ALPC_CANCELED');
});

test('a request that is given up before any thread takes it is never seen', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const abort = new AbortController();
  const outcomes = numbers(2).map((number) => outcomeOf(client.request(`${number}`, { signal: abort.signal })));
  await until('both are queued', () => completions.info().queued === 2);
  abort.abort();
  assert.deepEqual(await Promise.all(outcomes), ['AbortError', 'AbortError']);
  client.tryPost('after');
  await until('it is queued', () => completions.info().queued === 3);
  const texts: string[] = [];
  while (!texts.includes('after')) for (const { type, data } of await completions.dequeue()) texts.push(type === 'datagram' ? String(data) : type);
  assert.deepEqual(texts, ['after']);
});

test('requests that a terminated thread held are declined, and others are served', async (t) => {
  const { completions, start } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const thread = await start();
  const held = outcomeOf(client.request('gate 1'));
  await until('it is held', () => completions.info().dequeued === 1); // a thread that was called runs already, and may not have it yet
  const next = outcomeOf(client.request('echo 2'));
  await thread.terminate();
  assert.equal(await held, 'ERR_ALPC_CANCELED');
  await start({}, 'busy');
  assert.equal(await next, '2 by 7');
});

test('close declines what no thread has taken; what one holds may still be answered; the port receives as before', async (t) => {
  const { completions } = crew(t, 1);
  const { port, connect } = await serve(t, completions);
  const client = await connect();
  const held = outcomeOf(client.request('held'));
  const [packet] = await completions.dequeue();
  const queued = outcomeOf(client.request('queued'));
  await until('it is queued', () => completions.info().queuedBytes > 0);
  completions.close();
  assert.equal(await queued, 'ERR_ALPC_CANCELED');
  if (packet?.type === 'request') assert.equal(packet.reply('late'), 'sent');
  assert.equal(await held, 'late');
  client.tryPost('ordinary');
  assert.equal(String((await port.receive()).data), 'ordinary');
});

test('answers that fill the way back wait for room there, and all arrive', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const replies = numbers(60).map((number) => client.request(`${number}`));
  const packets: Packet[] = [];
  while (packets.length < 60) packets.push(...(await completions.dequeue()));
  for (const packet of packets) if (packet.type === 'request') packet.reply(String(packet.data).padEnd(40_000, '.'));
  assert.deepEqual((await Promise.all(replies)).map((reply) => parseInt(String(reply.data))), numbers(60));
});

test('a thread that opened a completion port twice makes room for its answers, whichever of the two it owns ports by', async (t) => {
  const { completions } = crew(t, 1);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const replies = numbers(60).map((number) => client.request(`${number}`));
  const again = CompletionPort.open(completions.handle);
  atEnd(t, () => again.leave());
  const packets: Packet[] = [];
  while (packets.length < 60) packets.push(...(await again.dequeue()));
  for (const packet of packets) if (packet.type === 'request') assert.equal(packet.reply(String(packet.data).padEnd(40_000, '.')), 'sent');
  assert.deepEqual((await Promise.all(replies)).map((reply) => parseInt(String(reply.data))), numbers(60));
});

for (const where of ['one completion port', 'two completion ports'] as const) {
  test(`threads that own ports of ${where}, and answer requests to the ports of each other with more than there is room for, make room meanwhile`, async (t) => {
    temporaryRoot(t, { leftovers: true });
    const { completions } = crew(t, 2);
    const both = [completions, where === 'one completion port' ? completions : crew(t, 2).completions];
    const names = ['\\RPC Control\\one', '\\RPC Control\\two'];
    const owners = names.map((text, index) => {
      const haunt: Haunt = { handle: both[index]!.handle, how: 'trade', text, ...(where === 'one completion port' ? {} : { takesFrom: both[1 - index]!.handle }) };
      const worker = new Worker(new URL('./completion-ghost.js', import.meta.url), { workerData: haunt });
      atEnd(t, () => worker.terminate());
      return worker;
    });
    await Promise.all(owners.map((owner) => once(owner, 'message')));
    const replies: Promise<unknown>[] = [];
    for (const index of [0, 1]) {
      const client = await connectPort(names[index]!);
      atEnd(t, () => client.close());
      replies.push(...numbers(40).map(() => client.request('x')));
      owners[1 - index]!.postMessage('take'); // oxlint-disable-line unicorn/require-post-message-target-origin -- threads have no origin
      await once(owners[1 - index]!, 'message');
    }
    for (const owner of owners) owner.postMessage('answer'); // oxlint-disable-line unicorn/require-post-message-target-origin -- threads have no origin
    let answered = 0;
    for (const reply of replies) void reply.then(() => answered++);
    await until('all are answered', () => answered === 80);
  });
}

test('every request gets exactly one end while threads are terminated at random', async (t) => {
  const { completions, start } = crew(t, 2);
  const { connect } = await serve(t, completions);
  const client = await connect();
  const state = { over: false };
  const dying = (async () => {
    const threads = [await start({}, 'busy'), await start({ max: 8 }, 'busy')];
    while (!state.over) {
      await new Promise((resolve) => void setTimeout(resolve, Math.random() * 30));
      await threads.shift()!.terminate();
      threads.push(await start({ how: Math.random() < 0.5 ? 'dequeue' : 'dequeueSync', max: 4 }, 'busy'));
    }
  })();
  const outcomes: string[] = [];
  for (const _ of numbers(30)) outcomes.push(...(await Promise.all(numbers(50).map((number) => outcomeOf(client.request(`echo ${number}`))))));
  state.over = true;
  await dying;
  const ends = tally(outcomes.map((outcome) => (outcome.endsWith('by 7') ? 'answered' : outcome)));
  assert.equal((ends['answered'] ?? 0) + (ends['ERR_ALPC_CANCELED'] ?? 0), 1500, JSON.stringify(ends));
});
