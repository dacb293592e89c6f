/**
 * Servers that no honest client should meet. A client connects to a name, and who answers is a server written by hand: it
 * answers with anything. The client gets an error that says what was wrong, in time; the reason is on the channel; its
 * descriptors and mappings are what they were, and its connections to honest servers go on.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { AlpcError, type AlpcErrorCode, connectPort, connectPortSync, createPort } from '../../src/index.js';
import { failsWith } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { settle, takeStock, withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { turn, turnsUntil } from '../support/turns.js';
import { type HandAnswer, type HandPeer, KIND, PAGE, REASON, RECORD_TYPE } from './peer.js';
import { HandFile, PROTOCOL_SEALS, sendRaw } from './raw.js';
import { NAME, openTrap } from './stage.js';

withLedger();

type Answer = (peer: HandPeer, hello: HandAnswer) => void;

interface Trap {
  /** Lets the client connect, and answers. What the connect came to. */
  answer(answer: Answer, options?: { ringLength?: number; outbox?: HandFile; page?: HandFile }): Promise<unknown>;
  /** The promise: all is as before, the honest server is still there, and the reason was told. */
  survives(attack: () => Promise<void>): Promise<void>;
  readonly traced: { reason: string; error: Error | undefined; pid: number }[];
}

async function setTrap(t: TestContext): Promise<Trap> {
  const { listener, traced } = openTrap(t);
  const port = await createPort('\\RPC Control\\honest');
  atEnd(t, () => port.close());
  port.on('message', (message) => message.type === 'request' && message.reply(message.data));
  const honest = await connectPort('\\RPC Control\\honest');
  atEnd(t, () => honest.close());
  for (let i = 0; i < 3; i++) await turn(); // and the event loop watches what it will watch
  return {
    traced,
    answer: async (answer, options = {}) => {
      const connecting = connectPort(NAME).catch((error: unknown) => error);
      const peer = await listener.accept(options);
      atEnd(t, () => peer.close());
      const hello = await peer.answer();
      assert.ok(hello !== 'end');
      peer.adopt(hello);
      answer(peer, hello);
      const outcome = await connecting;
      peer.close();
      return outcome;
    },
    survives: async (attack) => {
      const before = takeStock();
      await attack();
      assert.equal((await honest.request('still there?')).data.toString(), 'still there?');
      await settle(before);
    },
  };
}

interface BadWelcome {
  readonly answer: Answer;
  readonly options?: () => { ringLength?: number; outbox?: HandFile; page?: HandFile };
  readonly why: RegExp;
}

const bad: Record<string, BadWelcome> = {
  'B1: with a hello': { answer: (peer) => peer.say(peer.packet({ kind: KIND.hello })), why: /a hello/ },
  'with a kind that does not exist': { answer: (peer) => peer.say(peer.packet({ kind: 0 })), why: /unknown kind 0/ },
  'with a bell': { answer: (peer) => peer.ring(), why: /a packet of 1 bytes is too short/ },
  'in another language': { answer: (peer) => peer.say(peer.packet({ magic: 0 })), why: /does not begin with ALPC/ },
  'B11: with more data than there is': { answer: (peer) => peer.say(peer.packet({ dataLength: 2 ** 31 })), why: /data length does not fit/ },
  'B11: with more bytes than a packet may have': { answer: (peer) => peer.say(peer.packet({}, Buffer.alloc(100_000))), why: /too long/ },
  'with a ring of no bytes': { answer: (peer) => peer.say(peer.packet({ ringLength: 0 })), why: /a ring of 0 bytes/ },
  'with a ring of three pages': { answer: (peer) => peer.say(peer.packet({ ringLength: 3 * PAGE })), why: /a ring of 12288 bytes/ },
  'with a ring of two gigabytes': { answer: (peer) => peer.say(peer.packet({ ringLength: 2 ** 31 })), why: /a ring of 2147483648 bytes/ },
  'with messages of no length': { answer: (peer) => peer.say(peer.packet({ maxMessageLength: 0 })), why: /messages of up to 0 bytes/ },
  'of another version': { answer: (peer) => peer.say(peer.packet({ version: 2 })), why: /version 2/ },
  'of another version, with a ring of two gigabytes that is there': {
    options: () => ({ outbox: HandFile.make(PAGE + 2 ** 31, { mapped: false }) }),
    answer: (peer) => peer.say(peer.packet({ version: 2, ringLength: 2 ** 31 })),
    why: /version 2/,
  },
  'of another version, with a ring that is no power of two': {
    options: () => ({ outbox: HandFile.make(4 * PAGE, { mapped: false }) }),
    answer: (peer) => peer.say(peer.packet({ version: 0, ringLength: 3 * PAGE })),
    why: /version 0/,
  },
  'B23: with no descriptors': { answer: (peer) => peer.say(peer.packet(), []), why: /carries 0 descriptors, expected 2/ },
  'B3: with one descriptor': { answer: (peer) => peer.say(peer.packet(), [peer.outbox.fd]), why: /carries 1 descriptors/ },
  'B3: with 253 descriptors': { answer: (peer) => peer.say(peer.packet(), Array.from({ length: 253 }, () => peer.outbox.fd)), why: /carries 253 descriptors/ },
  'B5: with its descriptors the wrong way round': { answer: (peer) => peer.say(peer.packet(), [peer.page.fd, peer.outbox.fd]), why: /outbox is refused: size is 4096/ },
  "B5: with the client's own descriptors the wrong way round": { answer: (peer) => peer.say(peer.packet(), [peer.theirPage!.fd, peer.theirOutbox!.fd]), why: /outbox is refused/ },
  'test 7: with an outbox that has no seals': { options: () => ({ outbox: HandFile.make(2 * PAGE, { seals: 0 }) }), answer: (peer) => peer.say(), why: /outbox is refused: seals are 0x0, expected 0x17/ },
  'test 7: with an outbox that may shrink': { options: () => ({ outbox: HandFile.make(2 * PAGE, { seals: PROTOCOL_SEALS & ~2 }) }), answer: (peer) => peer.say(), why: /seals are 0x15/ },
  'test 7: with an outbox of a byte too few': { options: () => ({ outbox: HandFile.make(2 * PAGE - 1, { mapped: false }) }), answer: (peer) => peer.say(), why: /size is 8191, expected 8192/ },
  'test 7: with a wait page that may be written to': { options: () => ({ page: HandFile.make(PAGE, { seals: 7 }) }), answer: (peer) => peer.say(), why: /wait page is refused: seals are 0x7/ },
  'test 11: with a socket for an outbox': { answer: (peer) => peer.say(peer.packet(), [peer.socket, peer.page.fd]), why: /outbox is refused: not a memory file/ },
  'test 11: with a socket for a wait page': { answer: (peer) => peer.say(peer.packet(), [peer.outbox.fd, peer.socket]), why: /wait page is refused: not a memory file/ },
};

for (const [key, { answer, options, why }] of Object.entries(bad)) {
  const [, row = '', how] = /^((?:B\d+|test \d+): )?(.*)$/.exec(key)!;
  test(`${row}a server that answers ${how} gets no client`, async (t) => {
    const trap = await setTrap(t);
    await trap.survives(async () => {
      const error = await trap.answer(answer, options?.());
      failsWith('ERR_ALPC_PROTOCOL', why)(error);
      assert.equal(trap.traced.length, 1);
      assert.deepEqual([trap.traced[0]!.reason, trap.traced[0]!.pid, trap.traced[0]!.error], ['protocol', process.pid, error]);
    });
  });
}

const refusals: [reason: number, code: AlpcErrorCode][] = [
  [REASON.rejected, 'ERR_ALPC_REFUSED'], [REASON.accessDenied, 'ERR_ALPC_ACCESS_DENIED'], [REASON.quota, 'ERR_ALPC_QUOTA_EXCEEDED'], [REASON.protocol, 'ERR_ALPC_PROTOCOL'],
  [REASON.closed, 'ERR_ALPC_DISCONNECTED'], [REASON.version, 'ERR_ALPC_PROTOCOL'], [REASON.ringTooLong, 'ERR_ALPC_QUOTA_EXCEEDED'],
  [0, 'ERR_ALPC_REFUSED'], [8, 'ERR_ALPC_REFUSED'], [0xffffffff, 'ERR_ALPC_REFUSED'],
];

test('a refusal is told for what it says, by codes that are known; its descriptors are closed', async (t) => {
  const trap = await setTrap(t);
  await trap.survives(async () => {
    for (const [reason, code] of refusals) {
      const error = await trap.answer((peer) => peer.say(peer.packet({ kind: KIND.refusal, reason, ringLength: 0xffffffff }, 'why'), [peer.outbox.fd, peer.page.fd, peer.socket]));
      failsWith(code)(error);
      assert.equal(String((error as AlpcError).data), 'why');
    }
  });
});

test('a server that hangs up without a word, at once or after it has looked, is told for what it did', async (t) => {
  const trap = await setTrap(t);
  await trap.survives(async () => {
    for (const packet of [undefined, new Uint8Array(0)]) {
      const error = await trap.answer((peer) => {
        if (packet !== undefined) peer.say(packet);
        peer.hangUp();
      });
      failsWith('ERR_ALPC_DISCONNECTED', /without an answer/)(error);
    }
  });
});

test('a server that never answers is waited for until the timeout, or the signal, and then all is let go, hello and descriptors', async (t) => {
  const { listener } = openTrap(t);
  const before = takeStock();
  await assert.rejects(connectPort(NAME, { timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.throws(() => connectPortSync(NAME, { timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
  const reason = new Error('enough');
  await assert.rejects(connectPort(NAME, { signal: AbortSignal.timeout(30) }), { name: 'TimeoutError' });
  await assert.rejects(connectPort(NAME, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  await settle(before);
  // B4: the hellos wait in the queue of a server that does not read them; what is in them goes with it.
  for (let i = 0; i < 3; i++) {
    const peer = await listener.accept();
    const hello = await peer.answer();
    assert.ok(hello !== 'end' && hello.descriptors.length === 2);
    peer.adopt(hello);
    peer.close();
  }
  await settle(before);
});

test('a blocking client is answered by a false server like an awaiting one', async (t) => {
  const { listener, traced } = openTrap(t);
  const before = takeStock();
  const server = listener.accept();
  // A blocking connect leaves this thread no turn to answer in: the answer must be there before. So the connection is made twice.
  assert.throws(() => connectPortSync(NAME, { timeout: 30 }), failsWith('ERR_ALPC_TIMEOUT'));
  (await server).close();
  await settle(before);
  const actor = startActor<{ type: 'answer' }, { type: 'ready' | 'answered' }>(t, new URL('./trap-actor.js', import.meta.url), [`${process.env['ALPC_ROOT']}/RPC Control/trap`]);
  await actor.until('ready');
  actor.send({ type: 'answer' });
  assert.throws(() => connectPortSync('\\RPC Control\\trap'), failsWith('ERR_ALPC_PROTOCOL', /version 9/));
  await actor.until('answered');
  assert.deepEqual(traced.map(({ reason, pid }) => [reason, pid]), [['protocol', actor.pid]]);
});

test('a server that was let in and then breaks the rules is dropped, and the calls to it end; the reason is told at both places', async (t) => {
  const { listener, traced } = openTrap(t);
  const before = takeStock();
  const offences: [offend: (peer: HandPeer) => unknown, why: RegExp][] = [
    [(peer) => sendRaw(peer.socket, peer.packet()), /bytes came where only bells are rung/],
    [(peer) => peer.publish(4), /the peer's tail 4 is not within/],
    [(peer) => peer.publish(PAGE + 8), /the peer's tail 4104 is not within/],
    [(peer) => peer.publish(peer.write({ length: 31 })), /a record says that it has 31 bytes/],
    [(peer) => peer.publish(peer.write({ type: 99 })), /a record is of unknown type 99/],
  ];
  for (const [offend, why] of offences) {
    const [client, peer] = await Promise.all([connectPort(NAME), listener.serve()]);
    const ends: [string, Error | undefined][] = [];
    client.on('close', (reason, error) => ends.push([reason, error]));
    client.on('message', () => {});
    const call = client.request('never answered');
    assert.equal((await peer.receive()).type, RECORD_TYPE.request);
    offend(peer);
    await assert.rejects(call, (error) => AlpcError.is(error) && error.code === 'ERR_ALPC_DISCONNECTED' && /was dropped before it answered, for a breach of the protocol/.test(error.message) && why.test(String(error.cause)));
    await turnsUntil(() => ends.length > 0);
    assert.equal(ends[0]![0], 'protocol');
    assert.match(String(ends[0]![1]), why);
    assert.deepEqual([traced[0]!.reason, traced[0]!.error, traced[0]!.pid], ['protocol', ends[0]![1], process.pid]);
    traced.length = 0;
    await peer.hungUp();
    assert.equal(peer.theirs('state'), 3);
    peer.close();
    client.close();
    await settle(before);
  }
});
