/** The end of everything that a connection is made of, in every order: nothing is touched after it is gone, and nothing is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, createPort, removeObject } from '../../src/index.js';
import { outcomeOf } from '../process/expect.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { HandPeer, RECORD_TYPE } from './peer.js';
import { NAME } from './stage.js';
import { temporaryRoot } from '../support/root.js';
import { join } from 'node:path';

withLedger();

function permutations<T>(things: readonly T[]): T[][] {
  return things.length === 0 ? [[]] : things.flatMap((thing, at) => permutations(things.filter((_, index) => index !== at)).map((rest) => [thing, ...rest]));
}

const ENDS = ['the port', "the server's end", "the client's end", 'the name', 'the stranger'] as const;

for (const pause of ['at once', 'with a turn of the loop between'] as const) {
  test(`B30: port, server's end, client's end, name and stranger are closed in each of their 120 orders, ${pause}`, async (t) => {
    const root = temporaryRoot(t);
    await turn();
    const before = takeStock();
    for (const order of permutations(ENDS)) {
      const port = await createPort(NAME);
      port.on('message', () => {}); // takes requests, and answers none
      const client = await connectPort(NAME);
      const stranger = HandPeer.client();
      await stranger.greet(join(root, 'RPC Control', 'stage'));
      stranger.send({ type: RECORD_TYPE.request, messageId: 1, data: 'unanswered' });
      const [server, guest] = port.connections as [(typeof port.connections)[0], (typeof port.connections)[0]];
      const calls = [client.request('unanswered'), server.request('unanswered'), guest.request('unanswered')].map(outcomeOf);
      await turn();
      const end: Record<(typeof ENDS)[number], () => unknown> = {
        'the port': () => port.closeSync(),
        "the server's end": () => server.disconnect(),
        "the client's end": () => client.close(),
        'the name': () => {
          try {
            removeObject(NAME, { force: true });
          } catch (error) {
            assert.equal((error as { code: string }).code, 'ERR_ALPC_NAME_NOT_FOUND'); // the port took it along
          }
        },
        'the stranger': () => stranger.close(),
      };
      for (const which of order) {
        end[which]();
        if (pause !== 'at once') await turn();
      }
      for (const which of order) end[which](); // once more: nothing is left to end
      for (const outcome of await Promise.all(calls)) assert.match(outcome, /^ERR_ALPC_(CANCELED|DISCONNECTED|MESSAGE_LOST)$/, order.join(', '));
      assert.equal(client.tryPost('late'), 'disconnected');
      assert.equal(guest.tryPost('late'), 'disconnected');
      guest.disconnect();
    }
    await settle(before);
  });
}
