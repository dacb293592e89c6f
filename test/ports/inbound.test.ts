/** The receiving half of a connection: what inspectors are told of it is what it did. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, createWorkTicket } from '../../src/index.js';
import { Control } from '../../src/memory/layout.js';
import { connectionOf } from '../hostile/meeting.js';
import { numbers, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';
import { connectedPair, PAIR_NAME, received } from './connected-pair.js';

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

test('a server that disconnects a client when it is told, while it reads ahead, that the client gave up keeps nothing of it: others find room', async (t) => {
  const { port, client, toClient } = await connectedPair(t, [], { limits: { pendingBytesPerPort: 4096 } });
  const [abort, call] = [new AbortController(), { outcome: '' }];
  void outcomeOf(client.request('given up', { signal: abort.signal })).then((outcome) => void (call.outcome = outcome));
  const request = await received(port);
  assert.ok(request.type === 'request');
  request.signal.addEventListener('abort', () => toClient.disconnect());
  const toThem = outcomeOf(toClient.request('for this it reads ahead'));
  abort.abort();
  assert.equal(await toThem, 'ERR_ALPC_CANCELED');
  await until('the client has seen its end', () => call.outcome !== '' && port.connections.length === 0);
  assert.equal(port.tryReceive(), undefined);
  const next = await connectPort(PAIR_NAME);
  atEnd(t, () => next.close());
});
