/**
 * The unconnected port talks with itself: what is sent through it is received from it, with the same meaning as between two
 * processes, quotas and all.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUnconnectedPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, numbers, outcomeOf, tally } from '../process/expect.js';
import { FORMS, takeMessages } from '../process/taking.js';

withLedger();

for (const form of FORMS) {
  test(`what is sent through an unconnected port is received from it by ${form}`, async () => {
    const port = createUnconnectedPort();
    assert.deepEqual([port.info().role, port.info().state, port.peer.pid, port.peer.uid], ['unconnected', 'open', process.pid, process.geteuid!()]);
    const seen: string[] = [];
    const over = takeMessages(port, form, (message) => {
      seen.push(message.data.toString());
      if (message.type === 'request') assert.equal(message.reply(`answer to ${message.data.toString()}`), 'sent');
    });
    const answers = await Promise.all(numbers(100).map((number) => outcomeOf(port.request(`${number}`))));
    assert.deepEqual(answers, numbers(100).map((number) => `answer to ${number}`));
    await port.post('posted');
    assert.equal(port.tryPost('posted too'), 'sent');
    assert.equal(await outcomeOf(port.request('last')), 'answer to last');
    assert.deepEqual(seen, [...numbers(100).map(String), 'posted', 'posted too', 'last']);
    const held = outcomeOf(port.request('will be closed', { timeout: 60_000 }));
    port.close();
    assert.equal(await held, 'ERR_ALPC_CANCELED');
    await over;
  });
}

test('a request through an unconnected port can be given up before it is received, and after', async () => {
  using port = createUnconnectedPort();
  const early = new AbortController();
  const unread = outcomeOf(port.request('unread', { signal: early.signal }));
  early.abort();
  assert.equal(await unread, 'AbortError');
  assert.equal(port.tryReceive(), undefined);
  const late = new AbortController();
  const read = outcomeOf(port.request('read', { signal: late.signal }));
  const request = await port.receive();
  assert.ok(request.type === 'request' && request.data.toString() === 'read');
  const next = port.receive();
  late.abort();
  assert.equal(await read, 'AbortError');
  assert.equal((await next).type, 'canceled');
  assert.equal(request.reply('too late'), 'canceled');
  assert.equal(port.tryReceive(), undefined);
});

test('a blocking request is answered by its onCallback; without one it is a circle', () => {
  using port = createUnconnectedPort();
  for (const number of numbers(1000)) assert.equal(port.requestSync(`${number}`, { onCallback: (message) => void message.reply(`${Number(message.data) + 1}`) }).data.toString(), `${number + 1}`);
  assert.throws(() => port.requestSync('nobody'), failsWith('ERR_ALPC_DEADLOCK'));
  assert.throws(() => port.requestSync('nobody', { timeout: 60_000 }), failsWith('ERR_ALPC_DEADLOCK'));
  assert.equal(port.tryReceive(), undefined);
});

test('a port that is full says so, and and who waits for room reads ahead as far as the quota goes', async () => {
  using port = createUnconnectedPort({ limits: { ringLength: 4096, pendingMessages: 10 } });
  let sent = 0;
  while (port.tryPost(`${sent}`.padEnd(90)) === 'sent') sent++;
  assert.equal(port.tryPost('x'.repeat(90)), 'full');
  const waiting = numbers(10).map(() => outcomeOf(port.post('x'.repeat(90))));
  await assert.rejects(port.post('x'.repeat(90)), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  for (const number of numbers(sent)) assert.equal((await port.receive()).data.toString().trim(), `${number}`);
  for (const _ of numbers(10)) assert.equal((await port.receive()).data.length, 90);
  assert.deepEqual(tally(await Promise.all(waiting)), { done: 10 });
  while (port.tryPost('x'.repeat(90)) === 'sent');
  assert.throws(() => {
    for (const _ of numbers(100)) port.postSync('x'.repeat(90));
  }, failsWith('ERR_ALPC_QUOTA_EXCEEDED', /10 messages wait to be received/));
});

test('bad options are refused by name', () => {
  assert.throws(() => createUnconnectedPort({ limits: { ringLength: 1 } }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'limits\.ringLength'/));
  assert.throws(() => createUnconnectedPort({ onCallback: 1 as never }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'options\.onCallback'/));
  assert.throws(() => createUnconnectedPort({ name: 'x' } as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /no option 'name'/));
});
