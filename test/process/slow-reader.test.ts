/**
 * A peer that does not read: what a sender keeps for it is what its ring holds and what its quota allows, to the byte; then it is
 * told. In both directions, in number and in bytes; and when the peer reads, everything comes, and nothing is kept.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { connectPort, createPort, type PortLimits, type ServerPort } from '../../src/ports/index.js';
import type { CommunicationPort } from '../../src/ports/communication-port.js';
import { WAITING_COST } from '../../src/ports/holdings.js';
import { atEnd } from '../support/at-end.js';
import { collectGarbage } from '../support/garbage.js';
import { withLedger } from '../support/ledger.js';
import { failsWith, until } from './expect.js';
import { NAME, ownRoot, startClient, startServer, stop } from './serving.js';

withLedger();

const HEADER = 32;
const RING = 262_144;
/** Too long for a slab that Node shares among buffers, whatever its version: so its bytes can be counted. */
const LENGTH = 40_000;
const recordLength = Math.ceil((HEADER + LENGTH) / 8) * 8;
const inRing = Math.floor(RING / recordLength);

const LIMITS: { limits: PortLimits; inQueue: number }[] = [
  { limits: { pendingBytes: 4_000_000 }, inQueue: Math.floor(4_000_000 / (WAITING_COST + LENGTH)) },
  { limits: { pendingMessages: 150 }, inQueue: 150 },
];

/** Each side of a connection whose other side has been stopped, and the way to let it go on. */
const SIDES = {
  'a client': async (t: TestContext, limits: PortLimits) => {
    const server = await startServer(t, { options: { limits: { pendingMessages: 100_000 } } });
    const port = await connectPort(NAME, { limits: { ringLength: RING, ...limits } });
    const goOn = await stop(server);
    return { port, goOn, close: () => port.close() };
  },
  'a server': async (t: TestContext, limits: PortLimits) => {
    const server = await createPort(NAME, { limits: { ringLength: RING, ...limits } });
    const client = startClient(t);
    client.send({ type: 'connect', name: NAME });
    const [port] = (await once(server, 'connect')) as [ServerPort];
    await client.ask({ type: 'serve' }, 'serving');
    const goOn = await stop(client);
    return { port, goOn, close: () => server.close() };
  },
} satisfies Record<string, (t: TestContext, limits: PortLimits) => Promise<{ port: CommunicationPort; goOn: () => void; close: () => unknown }>>;

/** Bytes of buffers that are really in use. */
function bytesInUse(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

for (const [side, meet] of Object.entries(SIDES)) {
  for (const { limits, inQueue } of LIMITS) {
    test(`${side} keeps for a peer that does not read what the ring holds and ${JSON.stringify(limits)} allows, to the byte, and nothing when it has read`, async (t) => {
      ownRoot(t);
      const { port, goOn, close } = await meet(t, limits);
      atEnd(t, close);
      const data = Buffer.alloc(LENGTH, 1);
      const before = bytesInUse();
      let sent = 0;
      while (port.tryPost(data) === 'sent') sent++;
      assert.equal(sent, inRing);
      const waiting: Promise<void>[] = [];
      for (let i = 0; i < inQueue; i++) waiting.push(port.post(data));
      assert.equal(port.info().waitingForRoom, inQueue);
      for (let i = 0; i < 1000; i++) await assert.rejects(port.post(data), failsWith('ERR_ALPC_QUOTA_EXCEEDED', new RegExp(`${inQueue} messages \\(${inQueue * (WAITING_COST + LENGTH)} bytes\\) wait for room`)));
      assert.throws(() => port.requestSync(data, { timeout: 0 }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
      const kept = bytesInUse() - before;
      // Beside the copies there may be a slab or two of small things.
      assert.ok(Math.abs(kept - inQueue * LENGTH) < 65_536, `${kept} bytes are kept for ${inQueue} messages of ${LENGTH}`);
      goOn();
      await Promise.all(waiting);
      await until('nothing waits', () => port.info().waitingForRoom === 0);
      await until('nothing is kept', () => bytesInUse() - before < 65_536);
    });
  }
}
