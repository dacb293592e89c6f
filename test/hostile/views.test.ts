/**
 * Attacks by views and by the descriptors that bring their sections: files that are not as they must be, descriptors that never come or
 * that nobody asked for, views beyond their section, releases of what is not held. The offender is dropped, with the reason told; nothing of
 * it stays mapped; the others are served.
 */
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type { ConnectionPort, Message } from '../../src/index.js';
import { check, closeDescriptor } from '../../src/platform/system.js';
import { grow, punchHole, writeAt, zeroRange } from '../platform/raw.js';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { turn, turnsUntil } from '../support/turns.js';
import { type HandPeer, PAGE, RECORD_HEADER, RECORD_TYPE } from './peer.js';
import { HandFile, sendRaw } from './raw.js';
import { openStage, type Stage } from './stage.js';

withLedger();

const SEALS = { owned: 1 | 2 | 4 | 16, shared: 1 | 2 | 4, frozen: 1 | 2 | 4 | 8 } as const;
const VIEW = 0x40000000;
const FORGET = 13;
const FLAG = { secure: 1, writable: 2 } as const;
/** The row of releases in the control page. */
const RELEASED = 512 / 4;
const RELEASES = 2048 / 4;

interface HandView {
  flags?: number;
  section?: number;
  packet?: number;
  view?: number;
  offset?: number;
  length?: number;
  size?: number;
  offsetHigh?: number;
  lengthHigh?: number;
  sizeHigh?: number;
}

/** The view attribute as it stands behind the header. */
function block({ flags = 0, section = 1, packet = 1, view = 1, offset = 0, length = PAGE, size = PAGE, offsetHigh = 0, lengthHigh = 0, sizeHigh = 0 }: HandView): Buffer {
  return Buffer.from(Int32Array.of(flags, section, packet, view, offset, offsetHigh, length, lengthHigh, size, sizeHigh).buffer);
}

function packet(number: number, count = 1, kind = 4): Buffer {
  return Buffer.from(Int32Array.of(kind, number, count, 0).buffer);
}

/** Files that an attack made; what it sends it may let go of. */
const files: HandFile[] = [];

function fileOf(seals: number, size = PAGE): HandFile {
  const file = HandFile.make(size, { name: 'alpc:hand', seals, mapped: (seals & 8) === 0 }); // what is mapped for writing can't be frozen
  files.push(file);
  return file;
}

function letGo(): void {
  for (const file of files.splice(0)) file.close();
}

/** Sends a datagram with a view. */
function sendView(peer: HandPeer, view: HandView, record: { type?: number; data?: string; messageId?: number } = {}): void {
  const { data = '', ...words } = record;
  peer.send({ ...words, attributes: VIEW, data: Buffer.concat([block(view), Buffer.from(data)]) });
}

const OPTIONS = { accepts: ['writable-view'] as const, limits: { views: 4, sections: 3, sectionBytes: 16 * PAGE } };

/** Every attack on its own stage: what it does, and what is told. */
async function attacked(t: TestContext, attacks: readonly [what: string, offence: RegExp, attack: (peer: HandPeer, stage: Stage) => void | Promise<void>][]): Promise<void> {
  const stage = await openStage(t, OPTIONS);
  release(stage.port);
  for (const [what, offence, attack] of attacks) {
    await t.test(what, () =>
      stage.survives(async () => {
        const peer = await stage.guest();
        await attack(peer, stage);
        letGo();
        await peer.hungUp();
        await stage.drops('protocol', offence);
        peer.close();
      }),
    );
  }
}

/** Who serves releases what comes. */
function release(port: ConnectionPort): void {
  port.on('message', (message: Message) => {
    if (message.type === 'datagram') message.release();
  });
}

test('a hand-written peer that keeps to the rules is served: its view is seen, and its release comes back', async (t) => {
  const stage = await openStage(t, OPTIONS);
  const seen: string[] = [];
  stage.port.on('message', (message: Message) => {
    if (message.type !== 'datagram') return;
    seen.push(`${message.data.toString()} ${message.view!.length} ${message.view!.bytes[0]} ${message.view!.secure} ${message.view!.writable}`);
    message.release();
  });
  await stage.survives(async () => {
    const peer = await stage.guest();
    for (const [i, [seals, flags]] of [[SEALS.owned, 0], [SEALS.frozen, FLAG.secure], [SEALS.shared, FLAG.writable]].entries()) {
      const file = HandFile.make(PAGE, { name: 'alpc:hand', seals: 0, mapped: seals !== SEALS.frozen });
      if (seals !== SEALS.frozen) file.words[0] = 7;
      file.seal(seals!);
      assert.equal(sendRaw(peer.socket, packet(i + 1), [file.fd]), 'ok');
      sendView(peer, { flags: flags!, section: i + 1, packet: i + 1, view: 100 + i, length: 8 }, { data: `text ${i}` });
      await turnsUntil(() => peer.theirOutbox!.words[RELEASED] === i + 1);
      assert.equal(peer.theirOutbox!.words[RELEASES + i], 100 + i);
      file.close();
    }
    peer.close();
    await stage.drops('died');
  });
  assert.deepEqual(seen, ['text 0 8 7 false false', 'text 1 8 0 true false', 'text 2 8 7 false true']);
});

test('B2, test 11: files that are not as they say are refused before they are mapped', async (t) => {
  const bring = (make: () => HandFile | number, view: HandView) => (peer: HandPeer) => {
    const file = make();
    assert.equal(sendRaw(peer.socket, packet(1), [typeof file === 'number' ? file : file.fd]), 'ok');
    if (typeof file === 'number') closeDescriptor(file);
    sendView(peer, view);
  };
  await attacked(t, [
    ['not sealed at all', /seals are 0x0/, bring(() => fileOf(0), {})],
    ['can be shortened', /seals are 0x15/, bring(() => fileOf(SEALS.owned & ~2), {})],
    ['can grow', /seals are 0x13/, bring(() => fileOf(SEALS.owned & ~4), {})],
    ['more seals can come', /seals are 0x16/, bring(() => fileOf(SEALS.owned & ~1), {})],
    ['said to be its owner\'s alone, and is not', /seals are 0x7, expected 0x17/, bring(() => fileOf(SEALS.shared), {})],
    ['said to be secure, and can be written', /seals are 0x17, expected 0xf/, bring(() => fileOf(SEALS.owned), { flags: FLAG.secure })],
    ['said to be secure, and anybody can write', /seals are 0x7, expected 0xf/, bring(() => fileOf(SEALS.shared), { flags: FLAG.secure })],
    ['shorter than it says', /size is \d+, expected \d+/, bring(() => fileOf(SEALS.owned), { size: 2 * PAGE })],
    ['longer than it says', /size is \d+, expected \d+/, bring(() => fileOf(SEALS.owned, 2 * PAGE), { size: PAGE })],
    ['no whole pages', /a section of 100 bytes/, bring(() => fileOf(SEALS.owned), { size: 100 })],
    ['of no bytes', /a section of 0 bytes/, bring(() => fileOf(SEALS.owned), { size: 0 })],
    ['larger than anything', /a section of/, bring(() => fileOf(SEALS.owned), { sizeHigh: 0x7fffffff })],
    ['over the limit of bytes', /a section of \d+ bytes came/, bring(() => fileOf(SEALS.owned, 17 * PAGE), { size: 17 * PAGE })],
    ['no memory file', /not a memory file/, bring(() => openSync('/dev/null', 'r'), {})],
  ]);
});

test('B22: views that lie beyond their section, or nowhere, are refused', async (t) => {
  const lies = (view: HandView) => (peer: HandPeer) => {
    assert.equal(sendRaw(peer.socket, packet(1), [fileOf(SEALS.owned).fd]), 'ok');
    sendView(peer, view);
  };
  await attacked(t, [
    ['longer than the section', /a view lies at 0/, lies({ length: PAGE + 8 })],
    ['beginning behind it', /a view lies at/, lies({ offset: PAGE, length: 8 })],
    ['ending behind it', /a view lies at/, lies({ offset: PAGE - 8, length: 16 })],
    ['of no bytes', /has 0 bytes/, lies({ length: 0 })],
    ['at an odd place', /a view lies at 4/, lies({ offset: 4, length: 8 })],
    ['before it', /a view lies at/, lies({ offset: -8, length: 8 })],
    ['far beyond it', /a view lies at/, lies({ offsetHigh: 1, length: 8 })],
    ['longer than anything', /has \d+ bytes/, lies({ lengthHigh: -1 })],
  ]);
});

test('B2: descriptors that never came are not waited for, and those that nobody asked for are closed', async (t) => {
  const fd = (): number => fileOf(SEALS.owned).fd;
  await attacked(t, [
    ['none came', /packet 1 of descriptors, which a record names, did not come/, (peer) => sendView(peer, {})],
    ['another came', /packet 7 of descriptors/, (peer) => {
      sendRaw(peer.socket, packet(1), [fd()]);
      sendView(peer, { packet: 7 });
    }],
    ['it is claimed twice', /packet 1 of descriptors/, (peer) => {
      sendRaw(peer.socket, packet(1), [fd()]);
      sendView(peer, {});
      sendView(peer, { section: 2, view: 2 });
    }],
    ['numbers that do not follow each other', /packet 3 of descriptors came behind packet 0/, (peer) => void sendRaw(peer.socket, packet(3), [fd()])],
    ['the same number twice', /packet 1 of descriptors came behind packet 1/, (peer) => {
      sendRaw(peer.socket, packet(1), [fd()]);
      sendRaw(peer.socket, packet(1), [fd()]);
    }],
    ['fewer than it says', /a packet of 2 descriptors holds 1/, (peer) => void sendRaw(peer.socket, packet(1, 2), [fd()])],
    ['more than it says', /a packet of 1 descriptors holds 3/, (peer) => void sendRaw(peer.socket, packet(1), [fd(), fd(), fd()])],
    ['none at all', /a packet of 0 descriptors holds 0/, (peer) => void sendRaw(peer.socket, packet(1, 0))],
    ['several for one section', /a section came with 2 descriptors/, (peer) => {
      sendRaw(peer.socket, packet(1, 2), [fd(), fd()]);
      sendView(peer, {});
    }],
    ['a packet of another kind', /a packet of 16 bytes came/, (peer) => void sendRaw(peer.socket, packet(1, 1, 9), [fd()])],
    ['a packet that is too long', /a packet of 20 bytes came/, (peer) => void sendRaw(peer.socket, Buffer.alloc(20), [fd()])],
    ['more than anybody claims', /packets of descriptors came that no message claims/, async (peer, stage) => {
      for (let i = 1; i <= 1025; i++) {
        for (let outcome = ''; outcome !== 'ok'; ) {
          outcome = sendRaw(peer.socket, packet(i), [peer.page.fd]);
          if (outcome === 'EPIPE' || outcome === 'ECONNRESET') return;
          if (outcome !== 'ok') await turn();
        }
        if (i % 50 === 0) await stage.serves();
      }
    }],
  ]);
});

test('B22: what a record says of its view is held against what is known already', async (t) => {
  const fd = (seals: number = SEALS.owned): number => fileOf(seals).fd;
  const stage = await openStage(t, OPTIONS); // nobody releases here
  const held: Message[] = [];
  stage.port.on('message', (message: Message) => void (message.type === 'datagram' && held.push(message)));
  const offend = async (offence: RegExp, attack: (peer: HandPeer) => void): Promise<void> => {
    await stage.survives(async () => {
      const peer = await stage.guest();
      attack(peer);
      letGo();
      await peer.hungUp();
      await stage.drops('protocol', offence);
      for (const message of held.splice(0)) if (message.type === 'datagram') message.release();
      peer.close();
    });
  };
  await offend(/view 1 came while it is held/, (peer) => {
    sendRaw(peer.socket, packet(1), [fd()]);
    sendView(peer, {});
    sendView(peer, {});
  });
  await offend(/a view came while 4 are held/, (peer) => {
    sendRaw(peer.socket, packet(1), [fd()]);
    for (let view = 1; view <= 5; view++) sendView(peer, { view });
  });
  await offend(/while 3 of \d+ bytes are mapped/, (peer) => {
    for (let i = 1; i <= 4; i++) {
      sendRaw(peer.socket, packet(i), [fd()]);
      sendView(peer, { section: i, packet: i, view: i });
    }
  });
  await offend(/section 1, which is not a secure one/, (peer) => {
    sendRaw(peer.socket, packet(1), [fd()]);
    sendView(peer, {});
    sendView(peer, { flags: FLAG.secure, view: 2 });
  });
  await offend(/section 1, which is not a secure one/, (peer) => {
    sendRaw(peer.socket, packet(1), [fd(SEALS.frozen)]);
    sendView(peer, { flags: FLAG.secure });
    sendView(peer, { flags: FLAG.secure, view: 2 }); // a secure one is good for one view
  });
  await offend(/packet 0 of descriptors/, (peer) => {
    sendRaw(peer.socket, packet(1), [fd()]);
    sendView(peer, {});
    peer.send({ type: FORGET, messageId: 1, callbackId: 1 });
    for (const message of held.splice(0)) if (message.type === 'datagram') message.release();
    sendView(peer, { view: 2, packet: 0, section: 2 });
  });
});

test('B22: attributes that are unknown, too long for their record, or in a record that has none are refused; and all of them where nothing is accepted', async (t) => {
  await attacked(t, [
    ['unknown ones', /has attributes 0x1, of which some are unknown/, (peer) => void peer.send({ attributes: 1, data: Buffer.alloc(100) })],
    ['all bits', /has attributes 0xffffffff/, (peer) => void peer.send({ attributes: -1, data: Buffer.alloc(1000) })],
    ['longer than the record', /its attributes take 40/, (peer) => void peer.send({ attributes: VIEW, data: Buffer.alloc(39) })],
    ['in a cancellation', /a record of type 12 has attributes/, (peer) => void peer.send({ type: RECORD_TYPE.cancel, attributes: VIEW, data: block({}) })],
    ['in a goodbye to a section', /a record of type 13 has attributes/, (peer) => void peer.send({ type: FORGET, attributes: VIEW, data: block({}) })],
    ['in a record of no known type', /a record of type 77 has attributes/, (peer) => void peer.send({ type: 77, attributes: VIEW, data: block({}) })],
  ]);
  const stage = await openStage(t);
  for (const [offence, attack] of [
    [/a read-only view came, which this side does not take/, (peer: HandPeer) => sendView(peer, {})],
    [/a section is forgotten that this side did not take/, (peer: HandPeer) => void peer.send({ type: FORGET })],
    [/a packet of 16 bytes came where only bells are rung/, (peer: HandPeer) => void sendRaw(peer.socket, packet(1))],
  ] as const) {
    await stage.survives(async () => {
      const peer = await stage.guest();
      attack(peer);
      await peer.hungUp();
      await stage.drops('protocol', offence);
      peer.close();
    });
  }
  assert.equal(RECORD_HEADER, 32);
});

test('B22: a receiver that releases what it does not hold, or more than it holds, is dropped, and its views come back', async (t) => {
  for (const lie of [
    (peer: HandPeer) => { peer.outbox.words[RELEASES] = 12345; peer.outbox.words[RELEASED] = 1; }, // never held
    (peer: HandPeer) => void (peer.outbox.words[RELEASED] = 3), // more than it holds
    (peer: HandPeer) => void (peer.outbox.words[RELEASED] = -1),
    (peer: HandPeer, view: number) => { peer.outbox.words[RELEASES] = view; peer.outbox.words[RELEASES + 1] = view; peer.outbox.words[RELEASED] = 2; }, // twice
  ]) {
    const stage = await openStage(t);
    await stage.survives(async () => {
      const peer = stage.peer();
      peer.outbox.words.set([7, 4, 4, 1024], 24 / 4); // what it takes
      await peer.greet(stage.path);
      const toPeer = stage.port.connections.at(-1)!;
      const section = stage.port.createSection(PAGE);
      const views = [section.createView(64), section.createView(64)];
      for (const view of views) toPeer.tryPost('', { view, autoRelease: true });
      assert.equal(section.free, PAGE - 128);
      const record = peer.take()!;
      assert.equal(record.attributes, VIEW);
      lie(peer, record.data.readInt32LE(12));
      assert.equal(section.free, PAGE);
      await peer.hungUp();
      await stage.drops('protocol', /the peer (says that it )?released/);
      section.close();
      peer.close();
    });
    await stage.port.close();
    stage.honest.close();
  }
});

test('B20: a receiver that takes views and never releases one is bounded by what it said it takes, seen in info(), and gives them back when it goes', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peer = stage.peer();
    peer.outbox.words.set([7, 4, 1, 1024], 24 / 4);
    await peer.greet(stage.path);
    const toPeer = stage.port.connections.at(-1)!;
    const section = stage.port.createSection(8 * 64);
    for (let i = 0; i < 4; i++) assert.equal(toPeer.tryPost('', { view: section.createView(64), autoRelease: true }), 'sent');
    using view = section.createView(64);
    assert.throws(() => toPeer.tryPost('', { view }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /has 4 views that it has not released; it takes 4/));
    assert.equal(toPeer.info().viewsOut, 4);
    const free = section.free;
    peer.close();
    await stage.drops('died');
    assert.equal(section.free, free + 4 * 64);
    section.close();
  });
});

/** Everything by which somebody with a descriptor could change what others see of a file. */
function changes(fd: number): Record<string, string> {
  const file = new HandFile(fd, PAGE);
  const tried = (action: () => unknown): string => {
    try {
      action();
      return 'ok';
    } catch (error) {
      return (error as { errno?: string }).errno ?? String(error);
    }
  };
  return {
    shorten: file.truncate(0),
    lengthen: file.truncate(2 * PAGE),
    grow: grow(fd, 2 * PAGE),
    'punch a hole': punchHole(fd, 0, PAGE),
    'write zeros': zeroRange(fd, 0, PAGE),
    write: writeAt(fd, Buffer.from('other bytes'), 0),
    'map it for writing': tried(() => file.map(true)),
    'take the seals off': tried(() => file.seal(0)),
    'write by a descriptor of its own': tried(() => {
      const own = openSync(`/proc/self/fd/${fd}`, 'r+');
      try {
        check('pwrite', writeAt(own, Buffer.from('other bytes'), 0) === 'ok' ? 0 : -1);
      } finally {
        closeDescriptor(own);
      }
    }),
  };
}

for (const kind of ['read-only', 'secure'] as const) {
  test(`test 8, 9: no truncation, hole or write by ${kind === 'secure' ? 'anybody, its sender included,' : 'a receiver'} reaches a view that is ${kind}`, async (t) => {
    const stage = await openStage(t, OPTIONS);
    const section = stage.port.createSection(PAGE, { secure: kind === 'secure' });
    const view = section.createView(PAGE);
    view.bytes.fill(1);
    const peer = stage.peer();
    peer.outbox.words.set([7, 4, 1, 1024], 24 / 4);
    await peer.greet(stage.path);
    stage.port.connections.at(-1)!.tryPost('', { view });
    const heard = await peer.hear();
    assert.ok(heard !== 'end' && heard.descriptors.length === 1);
    const [received] = heard.descriptors as [number];
    const seen = HandFile.open(received, PAGE);
    for (const fd of kind === 'secure' ? [received, view.region.file.fd] : [received]) {
      for (const [how, outcome] of Object.entries(changes(fd))) assert.ok(outcome === 'EPERM' || (how === 'write zeros' && outcome === 'ENOTSUP'), `${how}: ${outcome}`); // a kernel may know no such zeros
      assert.ok(seen.bytes.every((byte) => byte === 1));
    }
    if (kind === 'read-only') {
      view.bytes[0] = 2; // only its owner can
      assert.equal(seen.bytes[0], 2);
    } else assert.throws(() => view.bytes, failsWith('ERR_ALPC_CLOSED'));
    seen.close();
    peer.close();
    section.close();
  });
}
