/** The receiving half of a connection: what inspectors are told of it is what it did. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorkTicket } from '../../src/index.js';
import { Control } from '../../src/memory/layout.js';
import { connectionOf } from '../hostile/meeting.js';
import { numbers } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';
import { connectedPair } from './connected-pair.js';

withLedger();

test('the figure of received messages is that of sent ones, also for a completion list that finds attributes where it looks for several at once', async (t) => {
  const { port, client } = await connectedPair(t, ['work']);
  const list = port.registerCompletionList();
  const workOnBehalfOf = createWorkTicket();
  for (const round of numbers(30)) assert.equal(client.tryPost(String(round), round % 3 === 2 ? {} : { workOnBehalfOf }), 'sent');
  const taken: string[] = [];
  await turnsUntil(() => {
    taken.push(...list.poll(7).map(({ data }) => String(data)));
    return taken.length === 30;
  });
  assert.deepEqual(taken, numbers(30).map(String));
  const { peer, own, reader } = connectionOf(port.connections[0]!).link;
  reader.publish();
  assert.equal(own.words[Control.receivedMessages], 30);
  assert.equal(peer.words[Control.sentMessages], 30);
});
