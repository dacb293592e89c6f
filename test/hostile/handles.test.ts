/**
 * Attacks by handles: descriptors that nobody asked for, of a kind that is not taken or that they are not, too many, too few, of which
 * nobody reads; and a table of descriptors that is full. The offender is dropped, with the reason told; every descriptor is closed; the
 * others are served.
 */
import assert from 'node:assert/strict';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { type CreatePortOptions, type Message } from '../../src/index.js';
import { createPipe } from '../../src/platform/fifo.js';
import { closeDescriptor, libc } from '../../src/platform/system.js';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { makeLingering } from './lingering.js';
import { ATTRIBUTE, CONTROL, type HandPeer, RECORD_TYPE } from './peer.js';
import { sendRaw } from './raw.js';
import { openStage, type Stage } from './stage.js';

withLedger();

const KIND = { file: 1, directory: 2, device: 3, socket: 4, server: 5, pipe: 6, event: 7, section: 8, port: 9 } as const;
const OPTIONS: CreatePortOptions = { accepts: ['file', 'socket', 'event'], limits: { handles: 8 } };
const DONE = CONTROL.handlesDone / 4;

function packet(number: number, kinds: readonly number[], count = kinds.length, what = 1): Buffer {
  return Buffer.from(Int32Array.of(4, number, count, what, ...kinds).buffer);
}

function block(number: number, count: number): Buffer {
  return Buffer.from(Int32Array.of(number, count).buffer);
}

/** Sends so many descriptors of one file, and a datagram that has them. */
function sendHandles(peer: HandPeer, { number = 1, kinds = [KIND.file], fds, count = kinds.length, data = '', type = RECORD_TYPE.datagram }: { number?: number; kinds?: readonly number[]; fds?: readonly number[]; count?: number; data?: string; type?: number }): void {
  const fd = openSync('/proc/self/exe', 'r');
  assert.equal(sendRaw(peer.socket, packet(number, kinds), fds ?? kinds.map(() => fd)), 'ok');
  closeSync(fd);
  peer.send({ type, messageId: type === RECORD_TYPE.request ? number : 0, attributes: ATTRIBUTE.handle, data: Buffer.concat([block(number, count), Buffer.from(data)]) });
}

type Attack = readonly [what: string, offence: RegExp, attack: (peer: HandPeer, stage: Stage) => void | Promise<void>];

async function attacked(t: TestContext, attacks: readonly Attack[], reason = 'protocol', options = OPTIONS): Promise<void> {
  const stage = await openStage(t, options);
  stage.port.on('message', (message: Message) => void (message.type === 'datagram' && message.release()));
  for (const [what, offence, attack] of attacks) {
    await t.test(what, () =>
      stage.survives(async () => {
        const peer = await stage.guest();
        await attack(peer, stage);
        await peer.hungUp();
        await stage.drops(reason, offence);
        peer.close();
      }),
    );
  }
}

test('a hand-written peer that keeps to the rules is served: its handles are taken or closed, and counted', async (t) => {
  const stage = await openStage(t, OPTIONS);
  const seen: string[] = [];
  stage.port.on('message', (message: Message) => {
    if (message.type !== 'datagram') return;
    seen.push(`${message.data.toString()} ${message.handles.kinds.join(' ')} ${message.handles.access(0)}`);
    const fd = message.handles.take(0);
    seen.push(String(fstatSync(fd).isFile()));
    closeSync(fd);
    message.release();
  });
  await stage.survives(async () => {
    const peer = await stage.guest();
    sendHandles(peer, { data: 'one' });
    sendHandles(peer, { number: 2, kinds: [KIND.file, KIND.file, KIND.file], data: 'three' });
    await turnsUntil(() => peer.theirOutbox!.words[DONE] === 4);
    sendRaw(peer.socket, packet(3, [KIND.file, KIND.file]), [0, 1]);
    peer.send({ type: RECORD_TYPE.forget, callbackId: 3 });
    await turnsUntil(() => peer.theirOutbox!.words[DONE] === 6);
    peer.close();
    await stage.drops('died');
  });
  assert.deepEqual(seen, ['one file read', 'true', 'three file file file read', 'true']);
});

test('B2: handles of a kind that is not taken, unknown, or not what they are said to be, are refused', async (t) => {
  const make = (path: string, flags: number): number => openSync(path, flags);
  const wrong = (kind: number, fd: () => number) => (peer: HandPeer): void => {
    const sent = fd();
    sendHandles(peer, { kinds: [kind], fds: [sent] });
    closeDescriptor(sent);
  };
  const file = (): number => make('/proc/self/exe', constants.O_RDONLY);
  const epoll = (): number => libc().epoll_create1(0);
  await attacked(t, [
    ['not taken', /a handle of kind directory came, which this side does not take/, wrong(KIND.directory, () => make('/', constants.O_RDONLY))],
    ['not taken, and truly so', /a handle of kind pipe came/, wrong(KIND.pipe, () => createPipe().take())],
    ['unknown', /a handle of kind 77 came/, wrong(77, file)],
    ['of no kind', /a handle of kind 0 came/, wrong(0, file)],
    ['of a negative kind', /a handle of kind -1 came/, wrong(-1, file)],
    ['a directory for a file', /said to be a file is a directory/, wrong(KIND.file, () => make('/', constants.O_RDONLY))],
    ['a device for a file', /said to be a file is a device/, wrong(KIND.file, () => make('/dev/zero', constants.O_RDWR))],
    ['a file for a socket', /said to be a socket is a file/, wrong(KIND.socket, file)],
    ['a file for an event', /said to be a event is a file/, wrong(KIND.event, file)],
    ['a FIFO for a file', /said to be a file is a fifo/, wrong(KIND.file, () => createPipe().take())],
    ['an epoll for a file', /said to be a file is a other/, wrong(KIND.file, epoll)],
    ['a socket\'s name for a socket', /said to be a socket is a name/, (peer, stage) => wrong(KIND.socket, () => make(stage.path, 0x200000))(peer)],
    ['one of two', /said to be a socket is a file/, (peer) => sendHandles(peer, { kinds: [KIND.file, KIND.socket] })],
  ]);
});

test('B2: handles that never came, that are counted wrong, or that are more than this side holds, are refused; those of a section are none', async (t) => {
  await attacked(t, [
    ['none came', /packet 1 of descriptors, which a record names, did not come/, (peer) => void peer.send({ attributes: ATTRIBUTE.handle, data: block(1, 1) })],
    ['fewer than the record says', /a message has 3 handles, its packet brought 1/, (peer) => sendHandles(peer, { count: 3 })],
    ['more than the record says', /a message has 1 handles, its packet brought 2/, (peer) => sendHandles(peer, { kinds: [1, 1], count: 1 })],
    ['a negative number', /a message has -1 handles/, (peer) => sendHandles(peer, { count: -1 })],
    ['more than the limit', /9 handles came while 0 are held; the limit is 8/, (peer) => sendHandles(peer, { kinds: Array.from({ length: 9 }, () => 1) })],
    ['a packet of a section', /its packet is of a section/, (peer) => {
      sendRaw(peer.socket, packet(1, [], 1, 0), [0]);
      peer.send({ attributes: ATTRIBUTE.handle, data: block(1, 1) });
    }],
    ['fewer descriptors than kinds', /a packet of 24 bytes came/, (peer) => void sendRaw(peer.socket, packet(1, [1, 1]), [0])],
    ['more descriptors than kinds', /a packet of 20 bytes came/, (peer) => void sendRaw(peer.socket, packet(1, [1]), [0, 1])],
    ['a packet of another sort', /a packet of 16 bytes came/, (peer) => void sendRaw(peer.socket, packet(1, [], 1, 2), [0])],
    ['as long as can be', /a packet of more than 1028 bytes came/, (peer) => void sendRaw(peer.socket, Buffer.concat([packet(1, [1]), Buffer.alloc(4000)]), [0])],
    ['called back twice', /packet 2 of descriptors/, (peer) => {
      sendRaw(peer.socket, packet(1, [1]), [0]);
      for (const number of [1, 1, 2]) peer.send({ type: RECORD_TYPE.forget, callbackId: number });
    }],
    ['longer than the record', /its attributes take 8/, (peer) => void peer.send({ attributes: ATTRIBUTE.handle, data: Buffer.alloc(7) })],
    ['in a cancellation', /a record of type 12 has attributes/, (peer) => sendHandles(peer, { type: RECORD_TYPE.cancel })],
  ]);
});

test('B2: what is held counts: who holds back its messages takes no more than its limit', async (t) => {
  const stage = await openStage(t, OPTIONS);
  const held: Message[] = [];
  stage.port.on('message', (message: Message) => void (message.type === 'datagram' && held.push(message)));
  await stage.survives(async () => {
    const peer = await stage.guest();
    for (let number = 1; number <= 8; number++) sendHandles(peer, { number });
    await turnsUntil(() => held.length === 8);
    sendHandles(peer, { number: 9 });
    await peer.hungUp();
    await stage.drops('protocol', /1 handles came while 8 are held; the limit is 8/);
    for (const message of held.splice(0)) if (message.type === 'datagram') message.release();
    peer.close();
  });
});

test('B2: where no handles are taken none come, whatever else is taken', async (t) => {
  await attacked(t, [
    ['without accepts', /a packet of 20 bytes came where only bells are rung/, (peer) => void sendRaw(peer.socket, packet(1, [1]))],
  ], 'protocol', {});
  await attacked(t, [['with views alone', /a handle of kind file came, which this side does not take/, (peer) => sendHandles(peer, {})]], 'protocol', { accepts: ['view'] });
});

test('B4: descriptors that take a minute to close hold up nobody, taken or not', async (t) => {
  const stage = await openStage(t, OPTIONS);
  stage.port.on('message', (message: Message) => void (message.type === 'datagram' && message.release()));
  await stage.survives(async () => {
    const peer = await stage.guest();
    const lingering = await makeLingering(t, 3, 60);
    const fds = lingering.take(3);
    sendHandles(peer, { kinds: [KIND.socket, KIND.socket, KIND.socket], fds, data: 'slow' });
    fds.forEach(closeDescriptor); // while it has them, too
    await turnsUntil(() => peer.theirOutbox!.words[DONE] === 3);
    await stage.serves();
    await lingering.close();
    peer.close();
    await stage.drops('died');
  });
});

test('B7: a receiver that says it is done with more than it was sent is dropped', async (t) => {
  for (const lie of [2, -1, 2 ** 31 - 1]) {
    const stage = await openStage(t);
    await stage.survives(async () => {
      const peer = stage.peer();
      peer.set('accepts', 1 << (7 + KIND.file));
      peer.set('maxHandles', 4);
      await peer.greet(stage.path);
      const toPeer = stage.port.connections.at(-1)!;
      const fd = openSync('/proc/self/exe', 'r');
      toPeer.tryPost('', { handles: [fd] });
      peer.outbox.words[DONE] = lie;
      assert.throws(() => toPeer.tryPost('', { handles: [fd] }), failsWith('ERR_ALPC_DISCONNECTED'));
      closeSync(fd);
      await peer.hungUp();
      await stage.drops('protocol', /it is done with \d+ descriptors, it has 1/);
      peer.close();
    });
    await stage.port.close();
    stage.honest.close();
  }
});

test('B4: a receiver that never reads its socket is sent no more descriptors than it said, and they are let go with it', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = stage.peer();
    peer.set('accepts', 1 << (7 + KIND.file));
    peer.set('maxHandles', -1); // more than may be
    await peer.greet(stage.path);
    const toPeer = stage.port.connections.at(-1)!;
    const fd = openSync('/proc/self/exe', 'r');
    let sent = 0;
    const full = (): boolean => {
      try {
        return toPeer.tryPost('', { handles: [fd, fd] }) !== 'sent';
      } catch (error) {
        assert.ok(failsWith('ERR_ALPC_QUOTA_EXCEEDED')(error) || failsWith('ERR_ALPC_INSUFFICIENT_RESOURCES')(error));
        return true;
      }
    };
    while (!full()) sent += 2;
    assert.ok(sent > 0 && sent <= 512, `${sent} were sent`);
    assert.equal(toPeer.info().handlesOut, sent);
    await stage.serves();
    closeSync(fd);
    await turn();
    peer.close();
    await stage.drops('died');
  });
});
