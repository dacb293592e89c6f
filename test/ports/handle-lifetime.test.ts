/**
 * How long handles live, both sides in one thread: what is not taken is closed, by whom and when; what is too much is refused before
 * anything is delivered. What arrives as what: handles.test.ts.
 */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AcceptedKind, AlpcError, connectPort, type CreatePortOptions, type RequestMessage } from '../../src/index.js';
import { collectGarbage } from '../support/garbage.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { openDescriptors, someFile, textOf } from '../support/open-files.js';
import { connectedPair, type Pair, PAIR_NAME as NAME, received } from './connected-pair.js';

withLedger();

function connected(t: TestContext, options?: CreatePortOptions, clientAccepts?: readonly AcceptedKind[]): Promise<Pair> {
  return connectedPair(t, ['file'], options, clientAccepts);
}

test('what is not taken is closed when the message is released, and what is taken stays', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const before = openDescriptors();
  client.tryPost('', { handles: [fd, fd, fd] });
  const message = await received(port);
  assert.equal(openDescriptors(), before + 3);
  assert.deepEqual([client.info().handlesOut, message.port.info().heldHandles], [3, 3]);
  const { handles } = message;
  const taken = handles.take(1);
  assert.throws(() => handles.take(1), failsWith('ERR_ALPC_CLOSED'));
  assert.throws(() => handles.take(0, 'socket'), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /is a file, not a socket/));
  assert.deepEqual([client.info().handlesOut, message.port.info().heldHandles], [2, 2]);
  message.release();
  message.release();
  assert.throws(() => handles.take(0), failsWith('ERR_ALPC_CLOSED'));
  assert.equal(message.handles.length, 0);
  assert.deepEqual([client.info().handlesOut, message.port.info().heldHandles], [0, 0]);
  await until('they are closed', () => openDescriptors() === before + 1);
  assert.equal(textOf(taken), 'what is in the file');
  closeSync(taken);
});

test('replies with unmapExisting, messages that were given up, declined or never received: no descriptor stays', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const before = openDescriptors();
  await assert.rejects(client.request('given up', { handles: [fd], timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  const call = client.request('', { handles: [fd, fd] });
  const request = (await received(port)) as RequestMessage;
  request.reply('', { unmapExisting: true, handles: [fd] });
  using reply = await call;
  assert.equal(reply.handles.length, 1);
  await until('the request\'s are closed', () => client.info().handlesOut === 0);
  const late = client.request('', { handles: [fd], signal: AbortSignal.timeout(20) });
  const unanswered = (await received(port)) as RequestMessage;
  await assert.rejects(late, /TimeoutError|aborted/);
  assert.equal((await port.receive()).type, 'canceled');
  assert.equal(unanswered.reply('too late', { handles: [fd] }), 'canceled');
  unanswered.release();
  reply.release();
  client.tryPost('never received', { handles: [fd] });
  await until('all but one are closed', () => openDescriptors() <= before + 1);
  await port.close();
  await until('all are closed', () => openDescriptors() <= before);
});

test('the handles of a reply that comes too late are closed by whoever has given up', async (t) => {
  const { port, client, toClient } = await connected(t);
  const fd = someFile(t);
  const before = openDescriptors();
  for (const round of numbers(10, 1)) {
    const call = client.request('', { timeout: 20 });
    const request = port.tryReceive(); // in the same turn: it has not been given up
    assert.ok(request?.type === 'request');
    await assert.rejects(call, failsWith('ERR_ALPC_TIMEOUT', /was not answered within 20 ms/));
    assert.equal(request.reply('too late', { handles: [fd, fd, fd] }), 'sent'); // the server has not heard of that
    if (round % 2 === 0) await sleep(20); // the event loop may read the packet, which stands in the socket as bells do
    assert.equal(client.tryReceive(), undefined); // it looks again
    assert.deepEqual([client.info().lateReplies, client.info().heldHandles, toClient.info().handlesOut], [round, 0, 0]);
  }
  await until('all are closed', () => openDescriptors() === before);
});

test('a full ring gives descriptors back: tryPost sends none, a wait that is over calls them back', async (t) => {
  const { port, client } = await connected(t, {}, []);
  const fd = someFile(t);
  const before = openDescriptors();
  while (client.tryPost('x'.repeat(1000)) === 'sent');
  for (const _ of numbers(1000)) assert.equal(client.tryPost('', { handles: [fd] }), 'full');
  assert.equal(client.info().handlesOut, 0);
  await assert.rejects(client.post('', { handles: [fd], timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => client.postSync('', { handles: [fd], timeout: 5 }), (error) => AlpcError.is(error) && ['ERR_ALPC_DEADLOCK', 'ERR_ALPC_TIMEOUT'].includes(error.code));
  assert.equal(client.info().handlesOut, 2);
  const waiting = client.post('at last', { handles: [fd] });
  for (;;) {
    using message = await received(port);
    if (message.data.toString() !== 'at last') continue;
    assert.equal(message.handles.length, 1);
    break;
  }
  await waiting;
  await until('they are back', () => client.info().handlesOut === 0);
  await until('all are closed', () => openDescriptors() <= before);
});

test('more than the receiver holds are refused with ERR_ALPC_QUOTA_EXCEEDED, until it has taken or released some', async (t) => {
  const { port, client } = await connected(t, { limits: { handles: 4 } });
  const fd = someFile(t);
  const over = failsWith('ERR_ALPC_QUOTA_EXCEEDED', /holds 3 and takes 4/);
  client.tryPost('', { handles: [fd, fd, fd] });
  assert.throws(() => client.tryPost('', { handles: [fd, fd] }), over);
  const message = await received(port);
  assert.throws(() => client.tryPost('', { handles: [fd, fd] }), over);
  closeSync(message.handles.take(0));
  assert.equal(client.tryPost('', { handles: [fd, fd] }), 'sent');
  message.release();
  (await received(port)).release();
  assert.equal(client.info().handlesOut, 0);
});

test('a message that nobody released is found by the collector: its handles are closed and counted', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  const before = openDescriptors();
  for (const _ of numbers(10)) {
    client.tryPost('', { handles: [fd, fd] });
    await received(port);
  }
  const [toClient] = port.connections;
  await until('they were found', () => {
    collectGarbage();
    return toClient!.info().forgottenHandles >= 18;
  });
  client.close();
  await port.close();
  await until('all are closed', () => openDescriptors() <= before);
});

test('handles outlive their sender\'s connection, and not the receiver\'s own port', async (t) => {
  const { port, client } = await connected(t);
  const fd = someFile(t);
  client.tryPost('', { handles: [fd, fd] });
  const message = await received(port);
  client.close();
  await until('it is gone', () => port.connections.length === 0);
  const taken = message.handles.take(0);
  assert.equal(textOf(taken), 'what is in the file');
  closeSync(taken);
  message.release();
  assert.equal((await port.receive()).type, 'port-closed');
  const second = await connectPort(NAME);
  second.tryPost('', { handles: [fd] });
  const other = await received(port);
  await port.close();
  assert.throws(() => other.handles.take(0), failsWith('ERR_ALPC_CLOSED'));
  second.close();
});
