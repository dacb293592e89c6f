/**
 * The peer that is written by hand, seen to be a good one before it is a bad one: it knows the tables of docs/protocol.md,
 * and the library talks with it as with itself, in both roles.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectPort, createPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turnsUntil } from '../support/turns.js';
import { CONTROL, HandListener, HandPeer, PACKET, RECORD, RECORD_TYPE, STATE, WAIT_PAGE } from './peer.js';

withLedger();

const NAME = '\\RPC Control\\by hand';

const page = readFileSync('docs/protocol.md', 'utf8');

/** The words of the tables between two texts of the protocol's page, with the numbers beside them. */
function tableOf(from: string, to: string): Record<string, number> {
  const table = page.slice(page.indexOf(from), page.indexOf(to));
  return Object.fromEntries(Array.from(table.matchAll(/^\| (\d+) \| `?(\w*)`? ?\|/gm), ([, number, word]) => [word === '' ? 'reserved' : word!, Number(number)]));
}

test('its words stand where the page says', () => {
  assert.deepEqual(tableOf('| offset | field |', '## After the handshake'), PACKET);
  for (const [name, words] of Object.entries({ control: CONTROL, record: RECORD, 'wait-page': WAIT_PAGE })) assert.deepEqual(tableOf(`<!-- table:${name}`, `<!-- /table:${name}`), words);
  assert.deepEqual(tableOf('| type | | |', 'A request that its sender gave up'), RECORD_TYPE);
});

test('as a client it is served by the library: asked and answered, over the edge of both rings', async (t) => {
  const root = temporaryRoot(t);
  const port = await createPort(NAME, { limits: { ringLength: 4096 } });
  atEnd(t, () => port.close());
  port.on('message', (message) => message.type === 'request' && message.reply(message.data));
  const ends: string[] = [];
  port.on('disconnect', (_, reason) => ends.push(reason));
  const peer = HandPeer.client();
  atEnd(t, () => peer.close());
  await peer.greet(join(root, 'RPC Control', 'by hand'));
  for (let id = 1; id <= 100; id++) {
    const data = Buffer.alloc(id * 7, id);
    assert.ok(peer.send({ type: RECORD_TYPE.request, messageId: id, data }));
    const reply = await peer.receive();
    assert.deepEqual(reply, { length: 32 + id * 7, type: RECORD_TYPE.reply, messageId: id, callbackId: 0, status: 0, sequence: id, attributes: 0, reserved1: 0, data });
  }
  peer.set('state', STATE.closed);
  peer.hangUp();
  await turnsUntil(() => ends.length > 0);
  assert.deepEqual(ends, ['disconnected']);
});

test('as a server it serves the library: asked and answered, over the edge of both rings', async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  await (await createPort('\\RPC Control\\makes the directories')).close();
  const listener = new HandListener(join(root, 'RPC Control', 'by hand'));
  atEnd(t, () => listener.close());
  const [client, peer] = await Promise.all([connectPort(NAME, { limits: { ringLength: 4096 } }), listener.serve()]);
  atEnd(t, () => peer.close());
  for (let i = 1; i <= 100; i++) {
    const call = client.request(Buffer.alloc(i * 7, i));
    const asked = await peer.receive();
    assert.deepEqual([asked.type, asked.sequence, asked.data], [RECORD_TYPE.request, i, Buffer.alloc(i * 7, i)]);
    assert.ok(peer.send({ type: RECORD_TYPE.reply, messageId: asked.messageId, data: `answer ${i}` }));
    assert.equal((await call).data.toString(), `answer ${i}`);
  }
  client.close();
  await peer.hungUp();
  assert.equal(peer.theirs('state'), STATE.closed);
});
