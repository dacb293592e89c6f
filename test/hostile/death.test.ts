/**
 * A peer that is killed. Whoever waits for it is told within 100 ms, however it waits; what it had published is read, what it had not
 * is nothing; and the server goes on.
 *
 * Times are from the peer's last instruction to the end of the wait. A machine that is busy may take longer once, and not five times.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { connectPort, connectPortSync } from '../../src/index.js';
import { numbers, outcomeOfSync, outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { type News, type Order, RECORD_TEXT, STEPS } from './dying-actor.js';
import { NAME, serve, serveByHand } from './meeting.js';

withLedger();

const SOON = 100;
const TRIES = 5;

const mortal = (t: TestContext): Actor<Order, News> => startActor<Order, News>(t, new URL('./dying-actor.js', import.meta.url), [], {}, { thread: 'main' });

/** A wait, and what it came to; it notes the time of its end. */
type Wait = () => Promise<string> | string;

/** Each of these waits ends soon after the peer's death, in one of a few tries, and with the right word each time. */
async function endsSoon(t: TestContext, what: string, attempt: (waits: (wait: Wait) => Promise<void>) => Promise<Actor<Order, News>>, expected: RegExp): Promise<void> {
  const taken: number[] = [];
  while (taken.length < TRIES && !taken.some((time) => time <= SOON)) {
    const ends: { outcome: string; at: number }[] = [];
    const running: Promise<void>[] = [];
    const waits = (wait: Wait): Promise<void> => {
      const waiting = (async () => {
        const outcome = await wait();
        ends.push({ outcome, at: Date.now() });
      })();
      running.push(waiting);
      return waiting;
    };
    const actor = await attempt(waits);
    await Promise.all(running);
    const { at } = await actor.until('dying');
    await actor.ended;
    assert.ok(ends.length > 0);
    for (const { outcome } of ends) assert.match(outcome, expected, what);
    taken.push(Math.max(...ends.map((end) => end.at - at)));
  }
  assert.ok(Math.min(...taken) <= SOON, `${what}: ${taken.join(', ')} ms`);
  t.diagnostic(`${what}: ${taken.join(', ')} ms`);
}

test('B34: every awaited call of a client ends within 100 ms of its server\'s death: requests, with or without room, posts, receives', async (t) => {
  const { path, listener } = serveByHand(t);
  listener.close();
  let round = 0;
  await endsSoon(
    t,
    'awaited calls',
    async (waits) => {
      const actor = mortal(t);
      const name = `stage${++round}`;
      await actor.ask({ type: 'serve', path: path.replace(/stage$/, name) }, 'ready');
      const client = await connectPort(NAME.replace(/stage$/, name), { limits: { ringLength: 4096 } });
      atEnd(t, () => client.close());
      const lost = (call: Promise<{ data: Buffer } | void>): Promise<void> => waits(() => outcomeOf(call));
      void lost(client.request('awaited'));
      void lost(client.request('awaited, with a signal', { timeout: 60_000, signal: new AbortController().signal }));
      while (client.tryPost(Buffer.alloc(500)) === 'sent');
      void lost(client.request(Buffer.alloc(500)));
      void lost(client.post(Buffer.alloc(500)));
      void waits(async () => `received ${(await client.receive()).type}`);
      actor.send({ type: 'die' });
      return actor;
    },
    /^(ERR_ALPC_MESSAGE_LOST|received port-closed)$/,
  );
});

for (const [what, wait] of Object.entries({
  requestSync: (client) => outcomeOfSync(() => client.requestSync('blocking')),
  receiveSync: (client) => `received ${client.receiveSync().type}`,
  postSync: (client) => outcomeOfSync(() => {
    for (;;) client.postSync(Buffer.alloc(500));
  }),
} satisfies Record<string, (client: Awaited<ReturnType<typeof connectPort>>) => string>)) {
  test(`B34: a thread that is blocked in ${what} is back within 100 ms of its server's death`, async (t) => {
    const { path, listener } = serveByHand(t);
    listener.close();
    let round = 0;
    await endsSoon(
      t,
      what,
      async (waits) => {
        const actor = mortal(t);
        const name = `stage${++round}`;
        await actor.ask({ type: 'serve', path: path.replace(/stage$/, name) }, 'ready');
        const client = await connectPort(NAME.replace(/stage$/, name), { limits: { ringLength: 4096 } });
        atEnd(t, () => client.close());
        actor.send({ type: 'die', after: 60 });
        await waits(() => wait(client));
        return actor;
      },
      /^(ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED|received port-closed)$/,
    );
  });
}

test('B34: whoever is about to be connected is told within 100 ms when the server dies before it answers, awaiting or blocking', async (t) => {
  const { path, listener } = serveByHand(t);
  listener.close();
  let round = 0;
  for (const how of ['awaited', 'blocking'] as const) {
    await endsSoon(
      t,
      `connect, ${how}`,
      async (waits) => {
        const actor = mortal(t);
        const name = `stage${++round}`;
        await actor.ask({ type: 'serve', path: path.replace(/stage$/, name), mute: true }, 'ready');
        actor.send({ type: 'die', after: 60 });
        const full = NAME.replace(/stage$/, name);
        await waits(how === 'awaited' ? () => outcomeOf(connectPort(full).then((client) => client.close())) : () => outcomeOfSync(() => connectPortSync(full).close()));
        return actor;
      },
      /^ERR_ALPC_(DISCONNECTED|NAME_NOT_FOUND)$/,
    );
  }
});

test('B34: a server that waits for its client is told within 100 ms of its death: callbacks, requests, the message that it works on', async (t) => {
  const { port, path, last } = await serve(t);
  await endsSoon(
    t,
    'a server\'s calls',
    async (waits) => {
      const actor = mortal(t);
      await actor.ask({ type: 'connect', path }, 'ready');
      await actor.ask({ type: 'ask' }, 'asked');
      const message = await port.receive();
      assert.ok(message.type === 'request');
      void waits(() => outcomeOf(message.callback('and you?')));
      void waits(() => outcomeOf(last().request('and you?')));
      void waits(() => once(message.signal, 'abort').then(() => 'ERR_ALPC_MESSAGE_LOST'));
      port.on('message', () => {}); // somebody looks
      actor.send({ type: 'die' });
      await until('its end is seen', () => port.connections.length === 0);
      port.removeAllListeners('message');
      return actor;
    },
    /^ERR_ALPC_MESSAGE_LOST$/,
  );
});

test('B38: a client that dies at any step of sending leaves a message that is whole or none, and then its end; never half of one, never nothing', async (t) => {
  const { port, path } = await serve(t);
  for (const step of STEPS) {
    const actor = mortal(t);
    await actor.ask({ type: 'connect', path }, 'ready');
    actor.send({ type: 'die sending', step });
    const got: string[] = [];
    while (got.at(-1)?.startsWith('port-closed') !== true) {
      const message = await port.receive();
      got.push(message.type === 'port-closed' ? `port-closed ${message.reason}` : `${message.type} ${String(message.data)}`);
    }
    const isThere = STEPS.indexOf(step) >= STEPS.indexOf('the tail');
    assert.deepEqual(got, [...(isThere ? [`datagram ${RECORD_TEXT}`] : []), 'port-closed died'], step);
    await actor.ended;
  }
  await using client = await connectPort(NAME);
  for (const number of numbers(3)) client.tryPost(`${number}`);
  for (const number of numbers(3)) assert.equal(String((await port.receive()).data), `${number}`);
});
