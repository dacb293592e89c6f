/**
 * A client that uses up its server's mappings. Each connection takes five, a process may have 65,530, and V8 ends the process when it can't
 * have one: so newcomers are turned away while a quarter of them is left.
 *
 * In the short form the server has mapped most of what it may by itself; in the long form (`npm run test:long`) connections do it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeDescriptor } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { isLong } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { turn } from '../support/turns.js';
import { HandPeer, PAGE, PACKET, REASON } from './peer.js';
import { connectTo, HandFile, makeSocket, type Received, receiveRaw, sendRaw } from './raw.js';
import { answers, reportOf, startServer } from './serving.js';

withLedger();

/** More than there is room for. */
const MOST = isLong ? 12_000 : 100;

test('test 37, B7: a client that takes a server\'s mappings is refused with quota while a reserve is left; the server lives on, and lets others in when it is gone', { timeout: 300_000 }, async (t) => {
  const server = await startServer(t, { options: { limits: { ringLength: PAGE } } });
  if (!isLong) await server.ask({ type: 'map', free: 100 }, 'done');
  const hello = HandPeer.client();
  atEnd(t, () => hello.close());
  const sockets: number[] = [];
  /** Says hello with memory of its own, whose descriptors it does not keep. The reason, as in the answer: none is a welcome. */
  const greet = async (): Promise<number> => {
    const socket = makeSocket();
    sockets.push(socket);
    while (connectTo(socket, server.path) !== 'ok') await turn();
    const files = [HandFile.make(2 * PAGE, { mapped: false }), HandFile.make(PAGE, { mapped: false })];
    sendRaw(socket, hello.packet(), files.map(({ fd }) => fd));
    for (const file of files) file.close();
    let heard: Received | string = receiveRaw(socket);
    for (; heard === 'EAGAIN'; heard = receiveRaw(socket)) await turn();
    assert.ok(typeof heard !== 'string', `an answer came, and not ${heard as string}`);
    heard.descriptors.forEach(closeDescriptor);
    return heard.data.readUInt32LE(PACKET.reason);
  };
  let reason = 0;
  while (reason === REASON.none && sockets.length <= MOST) reason = await greet();
  t.diagnostic(`${sockets.length} came`);
  assert.equal(reason, REASON.quota);
  assert.equal(await greet(), REASON.quota, 'and the next one too');
  await server.ask({ type: 'exercise' }, 'done');
  const { told } = await reportOf(server);
  assert.equal(told.length, 2);
  assert.match(told[0]!, new RegExp(`^quota ${process.geteuid!()} connection port \\\\RPC Control\\\\stage: mmap: ENOMEM, .* are kept for others`));
  sockets.splice(0).forEach(closeDescriptor);
  await answers();
});
