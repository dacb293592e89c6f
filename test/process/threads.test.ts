/**
 * Ports in worker threads: servers and clients, blocking and awaited, between threads of one process and to other processes.
 * A worker that blocks can be terminated; whoever is connected with it sees its end as that of a process (how processes end: death/exits.test.ts).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { namespaceRoot } from '../../src/objects/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { connectPort, createPort } from '../../src/ports/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import type { ThreadTask } from './actors/thread.js';
import { cross, numbers, outcomeOf, outcomeOfSync, until } from './expect.js';
import { linesOf, NAME, ownRoot, startServer, stop } from './serving.js';
import { BLOCKING, FORMS, takeMessages } from './taking.js';
import { Verbs } from './verbs.js';

// What a thread had mapped stays mapped when it has been terminated: nobody is left to unmap it.
withLedger({ except: ['mappings'] });

function startThread(t: TestContext, task: ThreadTask): Worker {
  const worker = new Worker(new URL('./actors/thread.js', import.meta.url), { workerData: task });
  atEnd(t, () => worker.terminate());
  return worker;
}

async function begun(worker: Worker): Promise<void> {
  assert.deepEqual(await once(worker, 'message'), ['begun']);
}

for (const form of FORMS) {
  test(`a worker serves by ${form}: blocking and awaited calls of the main thread`, async (t) => {
    ownRoot(t);
    const worker = startThread(t, { do: 'serve', name: NAME, form });
    await begun(worker);
    const client = await connectPort(NAME);
    assert.deepEqual(cross(client, 'echo blocking', 200), { blocking: 200 });
    assert.deepEqual(await Promise.all(numbers(200).map((number) => outcomeOf(client.request(`echo ${number}`)))), numbers(200).map(String));
    assert.equal(client.peer.pid, process.pid);
    worker.postMessage('close', []);
    assert.deepEqual(await once(worker, 'exit'), [0]);
    assert.deepEqual((await client.receive()).type, 'port-closed');
    client.close();
  });
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`workers call the main thread, another worker and another process (${how})`, async (t) => {
    ownRoot(t);
    const names = ['\\RPC Control\\main', '\\RPC Control\\worker', '\\RPC Control\\process'];
    await using port = await createPort(names[0]!);
    port.on('message', new Verbs().handle);
    const worker = startThread(t, { do: 'serve', name: names[1]!, form: 'receiveSync' });
    await begun(worker);
    await startServer(t, { name: names[2]! });
    const results = await Promise.all(names.map((name) => once(startThread(t, { do: 'call', name, how, text: 'echo x', count: 200 }), 'message')));
    assert.deepEqual(results, names.map(() => [{ x: 200 }]));
    worker.postMessage('close', []);
    await once(worker, 'exit');
  });
}

test('two threads of one process that block on each other get ERR_ALPC_DEADLOCK, each time both', async (t) => {
  ownRoot(t);
  const go = new Int32Array(new SharedArrayBuffer(8));
  const names = ['\\RPC Control\\one', '\\RPC Control\\two'] as const;
  const workers = [startThread(t, { do: 'block-each-other', own: names[0], other: names[1], go }), startThread(t, { do: 'block-each-other', own: names[1], other: names[0], go })];
  const ends = workers.map((worker) => once(worker, 'exit'));
  await Promise.all(workers.map(begun));
  const results = workers.map((worker) => once(worker, 'message') as Promise<[Record<string, number>]>);
  Atomics.store(go, 0, 1);
  Atomics.notify(go, 0);
  const [[one], [two]] = (await Promise.all(results)) as [[Record<string, number>], [Record<string, number>]];
  assert.equal((one['x'] ?? 0) + (one['ERR_ALPC_DEADLOCK'] ?? 0), 200, JSON.stringify(one));
  assert.deepEqual(two, one);
  await Promise.all(ends);
});

for (const call of BLOCKING) {
  test(`a worker that blocks in ${call} can be terminated, and its peer sees the end`, async (t) => {
    ownRoot(t, { kills: true });
    const verbs = new Verbs();
    const port = await createPort(call === 'server receiveSync' ? '\\RPC Control\\unused' : NAME, { connect: 'ask' });
    atEnd(t, () => port.close());
    const asked: string[] = [];
    const reads = call !== 'postSync';
    if (reads) {
      void takeMessages(port, 'on', (message) => {
        if (message.type !== 'connection-request') verbs.handle(message);
        else if (asked.push(message.data.toString()) > 0 && message.data.toString() !== 'silence') message.accept();
      });
    }
    const worker = startThread(t, { do: 'block', name: NAME, in: call });
    if (!reads) {
      const request = await port.receive();
      assert.ok(request.type === 'connection-request');
      request.accept();
    }
    await begun(worker);
    if (call === 'requestSync') await until('it blocks', () => verbs.held.length === 1);
    if (call === 'connectPortSync') await until('it waits to be let in', () => asked.length === 1);
    const client = call === 'server receiveSync' ? await connectPort(NAME) : undefined;
    const held = client === undefined ? undefined : outcomeOf(client.request('hold'));
    await new Promise((resolve) => setTimeout(resolve, 100)); // deep in its wait
    assert.deepEqual(await Promise.all([once(worker, 'exit'), worker.terminate()]).then(([, code]) => code), 1);
    if (client !== undefined) {
      assert.equal(await held, 'ERR_ALPC_MESSAGE_LOST');
      assert.equal((await client.receive()).type, 'port-closed');
      client.close();
    } else if (call === 'connectPortSync') assert.deepEqual(asked, ['silence']);
    else if (reads) {
      await until('the end is told', () => verbs.journal.at(-1)?.what === 'port-closed');
      assert.deepEqual(linesOf(verbs.journal), [...(call === 'requestSync' ? ['request hold', 'canceled hold'] : []), 'port-closed: died']);
    } else {
      let message = await port.receive();
      while (message.type === 'datagram') message = await port.receive();
      assert.ok(message.type === 'port-closed' && message.reason === 'died');
    }
  });
}

for (const how of ['blocking', 'awaited'] as const) {
  test(`a worker that is terminated while it waits to be connected (${how}), for the server's backlog is full, leaves no descriptor`, async (t) => {
    ownRoot(t);
    const goOn = await stop(await startServer(t, { options: { backlog: 1 } }));
    for (const _ of numbers(2)) await assert.rejects(connectPort(NAME, { timeout: 10 }), { code: 'ERR_ALPC_TIMEOUT' }); // those two stand in the backlog
    // It is hardly ever terminated in the midst of a try, which may leave one: then it is tried again. What was kept from try to try would be left each time.
    for (let tries = 1; ; tries++) {
      const worker = startThread(t, how === 'blocking' ? { do: 'block', name: NAME, in: 'requestSync' } : { do: 'call', name: NAME, how, text: 'echo x', count: 1 });
      await until('it has an outbox', () => openNow(`/memfd:alpc:${NAME}`).length > 0);
      await new Promise((resolve) => setTimeout(resolve, 50)); // it has tried several times, and waits
      await worker.terminate();
      const left = openNow(namespaceRoot());
      if (left.length === 0) break;
      assert.ok(tries < 10, 'each of ten left one');
      left.forEach(closeDescriptor);
    }
    goOn();
  });
}

/** The descriptors of this process for what begins so. */
function openNow(target: string): number[] {
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(target);
    } catch {
      return false; // just closed
    }
  });
}

for (const by of ['close', 'exit', 'return', 'throw'] as const) {
  test(`a worker that ends by ${by} leaves nothing, and what it posted arrives`, async (t) => {
    ownRoot(t);
    await using port = await createPort(NAME);
    const worker = startThread(t, { do: 'end', name: NAME, by });
    const errors: Error[] = [];
    worker.on('error', (error) => errors.push(error));
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    assert.deepEqual([(await port.receive()).data.toString(), (await port.receive()).type], ['before the end', 'port-closed']);
    assert.equal(await ended, by === 'throw' ? 1 : 0);
    assert.deepEqual(errors.map(({ message }) => message), by === 'throw' ? ['as it was told'] : []);
  });
}

test('a thread has connections of its own: what one thread blocks for does not keep another', async (t) => {
  ownRoot(t);
  await startServer(t);
  const workers = numbers(3).map(() => startThread(t, { do: 'block', name: NAME, in: 'requestSync' }));
  await Promise.all(workers.map(begun));
  await using client = await connectPort(NAME);
  assert.deepEqual(cross(client, 'echo meanwhile', 100), { meanwhile: 100 });
  assert.equal(outcomeOfSync(() => client.requestSync('release')), 'released');
  await Promise.all(workers.map((worker) => worker.terminate()));
});
