/**
 * Ends, in every state and by every way: whatever a connection holds when it ends, each call settles once, what was received stays what
 * it was, whoever still holds an object of it is told, and nothing of it is left.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { AlpcError, type ClientPort, type CommunicationPort, connectPort, type ConnectionPort, createPort, type RequestMessage, type ServerPort } from '../../src/index.js';
import { failsWith, nameOf, numbers, outcomeOf, tally, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn } from '../support/turns.js';
import { NAME, serve, serveByHand } from './meeting.js';
import { ATTRIBUTE, HandPeer, PAGE, RECORD_TYPE, STATE } from './peer.js';
import { HandFile, SEAL, sendRaw } from './raw.js';

withLedger();

// ---- every state, every way (B19) ------------------------------------------------------------------------------------

/** A connection as one side of the library sees it, and its peer by hand. */
interface Meeting {
  readonly ours: CommunicationPort;
  readonly hand: HandPeer;
  /** Where its messages are received. */
  readonly receiver: ConnectionPort | ClientPort;
  /** This side's own end of it. */
  readonly close: () => void;
}

/** What came of what was in flight: how calls ended, the requests that were received, and what must hold afterwards of whatever else is held. */
interface InFlight {
  readonly calls: Promise<string>[];
  readonly requests: RequestMessage[];
  readonly after: (isClosedHere: boolean) => void;
}

/** Both sides take views and files. */
const ACCEPTS = ['view', 'file'] as const;
/** Small enough for a reserve beside the longest message. */
const LIMITS = { ringLength: PAGE, maxMessageLength: 2000 };
const HAND = { maxMessageLength: 2000, words: { accepts: 2 | (1 << 8), maxViews: 4, maxSections: 2, maxSectionKiB: 64, maxHandles: 4 } } as const;
const SEALS_OF_A_SECTION = SEAL.seal | SEAL.shrink | SEAL.grow | SEAL.futureWrite;

const PAYLOAD = Buffer.alloc(300, 'this was received before the end');

async function receiveRequest({ hand, receiver }: Meeting): Promise<RequestMessage> {
  hand.send({ type: RECORD_TYPE.request, messageId: hand.sequence + 1, data: PAYLOAD });
  const message = await receiver.receive();
  assert.ok(message.type === 'request');
  return message;
}

function fill(ours: CommunicationPort): void {
  while (ours.tryPost(Buffer.alloc(900)) === 'sent');
}

const STATES: Record<string, (meeting: Meeting) => Promise<Partial<InFlight>>> = {
  'nothing in flight': async () => ({}),
  'a request unread in the ring': async ({ hand }) => {
    hand.send({ type: RECORD_TYPE.request, messageId: 1 });
    return {};
  },
  'a request received': async (meeting) => ({ requests: [await receiveRequest(meeting)] }),
  'a message and a request read ahead': async ({ ours, hand }) => {
    const calls = [outcomeOf(ours.request('awaited'))];
    for (const type of [RECORD_TYPE.datagram, RECORD_TYPE.request]) hand.send({ type, messageId: 9 });
    await until('they are read', () => ours.info().queuedMessages === 2);
    return { calls };
  },
  'a reply waiting for room': async (meeting) => {
    const request = await receiveRequest(meeting);
    fill(meeting.ours);
    assert.equal(request.reply(Buffer.alloc(900)), 'sent');
    return {};
  },
  'a reply unread': async ({ ours, hand }) => {
    const calls = [outcomeOf(ours.request('answered at the last moment'))];
    hand.send({ type: RECORD_TYPE.reply, messageId: (await hand.receive()).messageId, data: 'answer' });
    return { calls };
  },
  'calls and posts waiting for room': async ({ ours }) => {
    fill(ours);
    return { calls: [outcomeOf(ours.request(Buffer.alloc(900))), outcomeOf(ours.post(Buffer.alloc(900))), outcomeOf(ours.post(Buffer.alloc(900), { timeout: 60_000 }))] };
  },
  'a call, a call with a signal and a timeout, and a callback': async (meeting) => {
    const request = await receiveRequest(meeting);
    const call = outcomeOf(meeting.ours.request('awaited', { timeout: 60_000, signal: new AbortController().signal }));
    return { calls: [outcomeOf(meeting.ours.request('awaited')), call, outcomeOf(request.callback('and you?'))], requests: [request] };
  },
  'a view sent that does not come back, and a wait for its region': async ({ ours }) => {
    const section = ours.createSection(PAGE);
    assert.equal(ours.tryPost('', { view: section.createView(PAGE), autoRelease: true }), 'sent');
    return { calls: [section.waitForView(PAGE).then((view) => (view.release(), 'its region came back'), nameOf)], after: () => assert.throws(() => ours.createSection(PAGE), AlpcError) };
  },
  'a view that is held': async ({ hand, receiver }) => {
    const file = HandFile.make(PAGE, { name: 'alpc:hand', seals: 0, mapped: true });
    file.bytes.fill(7);
    file.seal(SEALS_OF_A_SECTION);
    sendRaw(hand.socket, words(4, 1, 1, 0), [file.fd]);
    hand.send({ attributes: ATTRIBUTE.view, data: words(0, 1, 1, 1, 0, 0, PAGE, 0, PAGE, 0) });
    const message = await receiver.receive();
    assert.ok(message.type === 'datagram');
    file.close();
    return {
      after: (isClosedHere) => {
        const { view } = message;
        if (isClosedHere) assert.throws(() => view!.bytes, failsWith('ERR_ALPC_CLOSED'));
        else assert.ok(view!.bytes.every((byte) => byte === 7), 'it stays until it is released');
        message.release();
        assert.equal(message.view, undefined);
      },
    };
  },
  'a descriptor sent that nobody takes': async ({ ours }) => {
    const file = openSync('/proc/self/exe', 'r');
    assert.equal(ours.tryPost('', { handles: [file] }), 'sent');
    closeSync(file);
    return { after: () => assert.equal(ours.info().handlesOut, 0) };
  },
  'a descriptor that is held': async ({ hand, receiver }) => {
    const file = openSync('/proc/self/exe', 'r');
    sendRaw(hand.socket, words(4, 1, 1, 1, 1), [file]);
    closeSync(file);
    hand.send({ attributes: ATTRIBUTE.handle, data: words(1, 1) });
    const message = await receiver.receive();
    assert.ok(message.type === 'datagram');
    return {
      after: (isClosedHere) => {
        if (isClosedHere) assert.throws(() => message.handles.take(0), failsWith('ERR_ALPC_CLOSED'));
        else {
          const taken = message.handles.take(0);
          assert.ok(fstatSync(taken).isFile());
          closeSync(taken);
        }
        message.release();
      },
    };
  },
  'a direct message that nobody has taken': async ({ ours }) => {
    const told = new Promise<string>((resolve) => assert.equal(ours.tryPost('', { direct: resolve }), 'sent'));
    return { calls: [told] };
  },
  'a reserve in use, and one that is free': async ({ ours }) => {
    const [used, free] = [ours.createResourceReserve(8), ours.createResourceReserve(8)];
    assert.equal(ours.tryPost('reserved', { reserve: used }), 'sent');
    return { after: () => [used, free].forEach((reserve) => reserve.close()) };
  },
};

function words(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer);
}

const ENDS: Record<string, (meeting: Meeting) => void> = {
  'this side closes': ({ close }) => close(),
  'this side closes twice': ({ close }) => [close(), close()],
  'the peer hangs up': ({ hand }) => hand.hangUp(),
  'the peer says why and hangs up': ({ hand }) => [hand.set('state', STATE.closed), hand.hangUp()],
  'the peer breaks the rules': ({ hand }) => [hand.set('tail', 4), hand.ring()],
  'the peer sends what is no bell': ({ hand }) => hand.say(Buffer.alloc(5), []),
  'a handler closes at the next message': ({ receiver, hand, close }) => {
    receiver.on('message', close);
    hand.send({ data: 'the last one' });
    hand.ring();
  },
  'a subscriber of alpc:receive closes at the next message': ({ receiver, hand, close }) => {
    const listener = (): void => {
      unsubscribe('alpc:receive', listener);
      close();
    };
    subscribe('alpc:receive', listener);
    receiver.on('message', () => {});
    hand.send({ data: 'the last one' });
    hand.ring();
  },
};

const SETTLED = new Set(['ERR_ALPC_CANCELED', 'ERR_ALPC_MESSAGE_LOST', 'ERR_ALPC_DISCONNECTED', 'answer', 'lost', 'its region came back', 'ERR_ALPC_CLOSED']);

/** What must hold after the end of it, whatever came before. */
async function checkEnd({ ours }: Meeting, isClosedHere: boolean, { calls = [], requests = [], after = () => {} }: Partial<InFlight>, again: () => Promise<void>): Promise<void> {
  await until('it has ended', () => ours.closed);
  for (const outcome of await Promise.all(calls)) assert.ok(SETTLED.has(outcome), outcome);
  await again(); // its memory is somebody else's now
  for (const request of requests) {
    assert.deepEqual(request.data, PAYLOAD);
    assert.deepEqual([request.isPending, request.signal.aborted, request.reply('late'), request.cancel()], [false, true, 'disconnected', 'disconnected']);
    await assert.rejects(request.callback('late'), AlpcError);
  }
  after(isClosedHere);
  assert.equal(ours.tryPost('late'), 'disconnected');
  for (const call of [ours.post('late'), ours.request('late')]) await assert.rejects(call, AlpcError);
  assert.throws(() => ours.requestSync('late'), AlpcError);
  assert.throws(() => ours.postSync('late'), AlpcError);
  const { pendingRequests, unansweredRequests, waitingForRoom } = ours.info();
  assert.deepEqual([pendingRequests, unansweredRequests, waitingForRoom], [0, 0, 0]);
}

for (const [end, act] of Object.entries(ENDS)) {
  const isClosedHere = end.includes('closes');
  test(`B19: a server's end of a connection in every state, when ${end}`, async (t) => {
    for (const make of Object.values(STATES)) {
      const { port, peer, last } = await serve(t, { limits: LIMITS, accepts: ACCEPTS });
      const hand = await peer(HAND);
      const ours = last();
      const meeting = { ours, hand, receiver: port, close: () => ours.disconnect() };
      const inFlight = await make(meeting);
      act(meeting);
      if (!ours.closed) port.on('message', () => {}); // somebody must look
      await checkEnd(meeting, isClosedHere, inFlight, async () => {
        const next = await peer();
        for (let i = 0; i < 3; i++) next.send({ data: Buffer.alloc(1000, 'secret') });
        last().tryPost(Buffer.alloc(1000, 'secret'));
        next.close();
      });
      hand.close();
      await port.close();
    }
  });

  test(`B19: a client's end of a connection in every state, when ${end}`, async (t) => {
    const { connect } = serveByHand(t);
    for (const make of Object.values(STATES)) {
      const [client, hand] = await connect({ limits: LIMITS, accepts: ACCEPTS }, HAND);
      const meeting = { ours: client, hand, receiver: client, close: () => client.close() };
      const inFlight = await make(meeting);
      act(meeting);
      if (!client.closed) client.on('message', () => {});
      await checkEnd(meeting, isClosedHere, inFlight, async () => {
        const [next, other] = await connect({ limits: { ringLength: PAGE } });
        for (let i = 0; i < 3; i++) other.send({ data: Buffer.alloc(1000, 'secret') });
        next.tryPost(Buffer.alloc(1000, 'secret'));
        next.close();
        other.close();
      });
      hand.close();
    }
  });
}

test('B19: a port that is closed in the middle of a batch, by the handler of its first message, gives out no other', async (t) => {
  const { port, peer } = await serve(t);
  const hand = await peer();
  for (let i = 0; i < 20; i++) hand.send({ type: RECORD_TYPE.request, messageId: i + 1, data: 'x' });
  const got: string[] = [];
  port.on('message', (message) => {
    got.push(message.type);
    port.closeSync();
    if (message.type === 'request') assert.equal(message.reply('late'), 'disconnected');
  });
  await until('it is closed', () => port.closed);
  await turn();
  assert.deepEqual(got, ['request']);
});

// ---- every order (B30) -----------------------------------------------------------------------------------------------

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first, at) => permutations(items.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}

test('B30: the five objects of a connection are closed in each of the 120 orders: client, server port, connection port, message and call', async (t) => {
  temporaryRoot(t);
  for (const order of permutations(['client', 'server port', 'connection port', 'message', 'call'] as const)) {
    const port = await createPort(NAME);
    const client = await connectPort(NAME);
    const controller = new AbortController();
    const call = outcomeOf(client.request(PAYLOAD, { signal: controller.signal }));
    const message = await port.receive();
    assert.ok(message.type === 'request');
    const acts = {
      'client': () => client.close(),
      'server port': () => (message.port as ServerPort).disconnect(),
      'connection port': () => port.closeSync(),
      'message': () => message.reply('answer'),
      'call': () => controller.abort(),
    };
    for (const which of order) acts[which]();
    const isBefore = (one: (typeof order)[number], other: (typeof order)[number]): boolean => order.indexOf(one) < order.indexOf(other);
    const isAnswered = (['server port', 'connection port', 'call'] as const).every((other) => isBefore('message', other));
    assert.equal(await call, isBefore('client', 'call') ? 'ERR_ALPC_CANCELED' : isAnswered ? 'answer' : 'AbortError', order.join());
    assert.deepEqual(message.data, PAYLOAD);
    await until('all is closed', () => client.closed && port.closed);
  }
});

test('B30: a peer lets go of its five things in each of the 120 orders: socket, descriptor and mapping of its outbox, its page, and our outbox', async (t) => {
  const { port, ends, path } = await serve(t);
  port.on('message', (message) => message.type === 'request' && message.reply(message.data));
  const orders = permutations(['socket', 'descriptor', 'mapping', 'page', 'theirs'] as const);
  for (const [i, order] of orders.entries()) {
    const hand = HandPeer.client();
    await hand.greet(path);
    for (let id = 1; id < 4; id++) hand.send({ type: RECORD_TYPE.request, messageId: id, data: 'x' });
    const acts = { socket: () => hand.hangUp(), descriptor: () => hand.outbox.closeDescriptor(), mapping: () => hand.outbox.close(), page: () => hand.page.close(), theirs: () => hand.theirOutbox!.close() };
    for (const which of order) {
      acts[which]();
      if (i % 7 === 0) await turn();
    }
    hand.close();
    await until('its end is seen', () => ends.length === i + 1);
  }
  assert.deepEqual(tally(ends), { died: orders.length });
  assert.equal(port.connections.length, 0);
});

// ---- in each other's handlers (B21) ----------------------------------------------------------------------------------

test('B21: ports whose peers all hang up in one moment, and whose handlers close all the others and themselves, are each closed once', async (t) => {
  const { connect } = serveByHand(t);
  for (const event of ['message', 'close'] as const) {
    const pairs = await Promise.all(numbers(10).map(() => connect()));
    await turn(); // every one is watched
    await turn();
    const closes: number[] = [];
    for (const [i, [client]] of pairs.entries()) {
      client.on('close', () => closes.push(i));
      client.on(event, () => {
        for (const [other] of pairs) other.close();
      });
    }
    for (const [, hand] of pairs) hand.hangUp();
    await until('all are closed', () => closes.length === 10);
    await turn();
    assert.deepEqual(closes.toSorted((a, b) => a - b), numbers(10));
  }
});

test('B21: a port that closes itself at its own bell, and one that is closed at that of another, hear nothing any more', async (t) => {
  const { connect } = serveByHand(t);
  for (let round = 0; round < 20; round++) {
    const [[one, ofOne], [two, ofTwo]] = [await connect({ spin: false }), await connect({ spin: false })];
    const heard: string[] = [];
    for (const [port, name] of [[one, 'one'], [two, 'two']] as const) {
      port.on('message', () => {
        heard.push(name);
        two.close();
        one.close();
      });
    }
    await until('both sleep', () => (ofOne.theirs('dataSleep') & 1) === 1 && (ofTwo.theirs('dataSleep') & 1) === 1);
    for (const hand of [ofOne, ofTwo]) hand.send({ data: 'wake up' });
    await until('both are closed', () => one.closed && two.closed);
    await turn();
    assert.equal(heard.length, 1);
  }
});

test('B21: a connection port that is closed by the end of one of its clients, in the handler that is told, is closed with all the others', async (t) => {
  for (const how of ['message', 'disconnect'] as const) {
    const { port, peer } = await serve(t);
    const peers = await Promise.all(numbers(10).map(() => peer()));
    const close = (): void => port.closeSync();
    port.on(how, close);
    for (const hand of peers) hand.hangUp();
    await until('it is closed', () => port.closed);
    await turn();
    assert.equal(port.connections.length, 0);
  }
});
