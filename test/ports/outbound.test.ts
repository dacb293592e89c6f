/** The sending half of a connection: what waits for room is either taken back or sent, whoever is told on the way. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { connectPort } from '../../src/index.js';
import { outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair, PAIR_NAME } from './connected-pair.js';

withLedger();

test('a message that waited for room and is given up as alpc:send tells of it has been sent: a post resolves, and a request is taken back from the ring', async (t) => {
  const { port } = await connectedPair(t, []);
  const client = await connectPort(PAIR_NAME, { limits: { ringLength: 4096 } });
  atEnd(t, () => client.close());
  while (client.tryPost('.'.repeat(1000)) === 'sent');
  const aborts = { datagram: new AbortController(), request: new AbortController() };
  const outcomes = [client.post('precious'.padEnd(1000), { signal: aborts.datagram.signal }), client.request('question'.padEnd(1000), { signal: aborts.request.signal })].map((call) => outcomeOf(call as Promise<void>));
  assert.equal(client.info().waitingForRoom, 2);
  const onSend = (told: unknown): void => aborts[(told as { type: keyof typeof aborts }).type]?.abort();
  subscribe('alpc:send', onSend);
  atEnd(t, () => unsubscribe('alpc:send', onSend));
  const taken: string[] = [];
  port.on('message', (message) => void (String(message.data).startsWith('.') || taken.push(`${message.type} ${String(message.data).trim()}`)));
  assert.deepEqual(await Promise.all(outcomes), ['done', 'AbortError']);
  await client.post('the last');
  await until('all is taken', () => taken.includes('datagram the last'));
  assert.deepEqual(taken, ['datagram precious', 'datagram the last'], 'the request was taken back, unread');
  for (const toClient of port.connections) assert.equal(toClient.info().unansweredRequests, 0);
});
