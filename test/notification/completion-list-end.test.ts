/** The end of a completion list, by rundown, by unregistering, and with its port: nothing that it holds is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { open, texts } from './listed.js';

withLedger();

test('rundown stops taking, drains, and detaches: the port receives as before', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList({ maxDataLength: 5 });
  const reply = clients[0]!.request('ask');
  clients[0]!.tryPost('short');
  clients[0]!.tryPost('too long');
  assert.equal(String(port.tryReceive()!.data), 'too long'); // the two before it are in the list now
  await list.wait(); // something is there
  assert.ok(list.enter());
  const waiting = assert.rejects(list.wait(), failsWith('ERR_ALPC_CLOSED'));
  await assert.rejects(list.rundown({ timeout: 5 }), failsWith('ERR_ALPC_TIMEOUT', /2 messages, 1 workers and 0 requests/));
  await waiting;
  assert.equal(list.state, 'rundown');
  clients[0]!.tryPost('after');
  assert.equal(list.enter(), false);
  const messages = list.poll();
  assert.deepEqual(texts(messages), ['ask', 'short']);
  assert.equal(String((await port.receive()).data), 'after');
  let down = false;
  const rundown = list.rundown().then(() => (down = true));
  list.leave();
  await turn();
  assert.equal(down, false, 'a request is outstanding');
  if (messages[0]!.type === 'request') messages[0]!.reply('answer');
  await rundown;
  assert.equal(String((await reply).data), 'answer');
  assert.equal(list.state, 'detached');
  clients[0]!.tryPost('ordinary');
  assert.equal(String((await port.receive()).data), 'ordinary');
  assert.deepEqual(list.poll(), []);
  await assert.rejects(list.wait(), failsWith('ERR_ALPC_CLOSED'));
});

test('what the list holds when it is unregistered comes first in the ordinary queue', async (t) => {
  const { port, clients } = await open(t, 1);
  {
    using list = port.registerCompletionList({ maxDataLength: 5 });
    for (const text of ['1', '2', 'too long', '4', 'longer still']) clients[0]!.tryPost(text);
    assert.deepEqual(texts(list.poll(2)), ['1', '2']);
    assert.equal(String(port.tryReceive()!.data), 'too long');
    assert.equal(String(port.tryReceive()!.data), 'longer still');
  }
  clients[0]!.tryPost('6');
  const received: string[] = [];
  port.on('message', (message) => received.push(String(message.data)));
  await turnsUntil(() => received.length === 2);
  assert.deepEqual(received, ['4', '6']);
});

test('a closed port closes its list: who waits is told, and there is nothing to poll', async (t) => {
  const { port, clients } = await open(t, 1);
  const list = port.registerCompletionList();
  const waited = assert.rejects(list.wait(), failsWith('ERR_ALPC_CLOSED'));
  clients[0]!.tryPost('too late');
  await port.close();
  await waited;
  assert.deepEqual(list.poll(), []);
  assert.equal(list.state, 'closed');
  await list.rundown();
});
