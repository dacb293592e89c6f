/**
 * Hellos that no honest client says. A newcomer that breaks a rule is not let in: it is told so, its descriptors are closed,
 * nothing of it is mapped, the reason is told to the port's owner and on the channel, and everyone else is served.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { atEnd } from '../support/at-end.js';
import { isLong } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { type HandPeer, KIND, PAGE, REASON, RECORD_TYPE, VERSION } from './peer.js';
import { HandFile, makePair, makeSocket, PROTOCOL_SEALS, SOCK_DGRAM, SOCK_STREAM, sendRaw } from './raw.js';
import { openStage, type Stage } from './stage.js';

withLedger();

const MAX_DATA = 65_503;

/** Says a hello of any bytes with any descriptors, and gives the reason of the refusal, or 'end' or 'welcome'. */
async function greetWith(stage: Stage, peer: HandPeer, packet: Uint8Array, descriptors?: readonly number[]): Promise<number | 'end' | 'welcome'> {
  assert.equal(peer.connect(stage.path), 'ok');
  assert.equal(peer.say(packet, descriptors), 'ok');
  const answer = await peer.answer();
  if (answer === 'end') return 'end';
  if (answer.kind === KIND.refusal) {
    assert.equal(await peer.hear(), 'end', 'and then it is shut out');
    return answer.reason;
  }
  peer.adopt(answer);
  return 'welcome';
}

interface BadHello {
  readonly make: (peer: HandPeer, t: TestContext) => [packet: Uint8Array, descriptors?: readonly number[]];
  readonly why: RegExp;
}

const bad: Record<string, BadHello> = {
  'B1: a newcomer that says it is the server': { make: (peer) => [peer.packet({ kind: KIND.welcome })], why: /the first packet is a welcome/ },
  'B1: a newcomer that refuses the server': { make: (peer) => [peer.packet({ kind: KIND.refusal, reason: REASON.closed })], why: /the first packet is a refusal/ },
  'B1: a newcomer of a kind that does not exist': { make: (peer) => [peer.packet({ kind: 0xffffffff })], why: /unknown kind 4294967295/ },
  'a newcomer that speaks another language': { make: (peer) => [peer.packet({ magic: 0x4c504341 })], why: /does not begin with ALPC/ },
  'a newcomer that rings before it has said hello': { make: () => [Uint8Array.of(0), []], why: /too short for its header/ },
  'a newcomer whose hello is cut off one byte before its header ends': { make: (peer) => [peer.packet().subarray(0, 31)], why: /a packet of 31 bytes is too short/ },
  'B11: a hello that claims more data than it has': { make: (peer) => [peer.packet({ dataLength: 1 })], why: /data length does not fit its 32 bytes/ },
  'B11: a hello that claims two gigabytes of data': { make: (peer) => [peer.packet({ dataLength: 2 ** 31 })], why: /data length does not fit/ },
  'B11: a hello that claims four gigabytes less one byte of data': { make: (peer) => [peer.packet({ dataLength: 0xffffffff })], why: /data length does not fit/ },
  'B11: a hello that claims less data than it has': { make: (peer) => [peer.packet({ dataLength: 3 }, 'data')], why: /data length does not fit/ },
  'B11: a hello with one byte of data more than there may be': { make: (peer) => [peer.packet({}, Buffer.alloc(MAX_DATA + 1))], why: /too long/ },
  'B11: a hello of as many bytes as the kernel takes': { make: (peer) => [peer.packet({}, Buffer.alloc(150_000))], why: /too long/ },
  ...Object.fromEntries([0, 1, PAGE - 1, PAGE + 8, 3 * PAGE, 2 ** 27, 2 ** 31, 0xffffffff].map((ringLength) => [`a hello with a ring of ${ringLength} bytes`, { make: (peer: HandPeer) => [peer.packet({ ringLength })], why: new RegExp(`a ring of ${ringLength} bytes is not allowed`) } satisfies BadHello])),
  ...Object.fromEntries([0, 31, 65_536, 2 ** 31, 0xffffffff].map((maxMessageLength) => [`a hello with messages of up to ${maxMessageLength} bytes`, { make: (peer: HandPeer) => [peer.packet({ maxMessageLength })], why: new RegExp(`messages of up to ${maxMessageLength} bytes`) } satisfies BadHello])),
  'B23: a hello with an empty list of descriptors': { make: (peer) => [peer.packet(), []], why: /carries 0 descriptors, expected 2/ },
  'B3: a hello with one descriptor': { make: (peer) => [peer.packet(), [peer.outbox.fd]], why: /carries 1 descriptors, expected 2/ },
  'B3: a hello with three descriptors': { make: (peer) => [peer.packet(), [peer.outbox.fd, peer.page.fd, peer.page.fd]], why: /carries 3 descriptors, expected 2/ },
  'B3: a hello with 253 descriptors, as many as the kernel passes': { make: (peer) => [peer.packet(), Array.from({ length: 253 }, () => peer.outbox.fd)], why: /carries 253 descriptors, expected 2/ },
  'B3: a hello that is too long and has 253 descriptors': { make: (peer) => [peer.packet({}, Buffer.alloc(100_000)), Array.from({ length: 253 }, () => peer.outbox.fd)], why: /too long/ },
  'B5: a hello with its descriptors the wrong way round': { make: (peer) => [peer.packet(), [peer.page.fd, peer.outbox.fd]], why: /outbox is refused: size is 4096, expected 8192/ },
  'a hello with its outbox twice': { make: (peer) => [peer.packet(), [peer.outbox.fd, peer.outbox.fd]], why: /wait page is refused: size is 8192, expected 4096/ },
  'a hello with its wait page twice': { make: (peer) => [peer.packet(), [peer.page.fd, peer.page.fd]], why: /outbox is refused/ },
};

for (const [sentence, { make, why }] of Object.entries(bad)) {
  test(`${sentence} is not let in`, async (t) => {
    const stage = await openStage(t);
    await stage.survives(async () => {
      const peer = stage.peer();
      assert.equal(await greetWith(stage, peer, ...make(peer, t)), REASON.protocol);
      peer.close();
      await stage.drops('protocol', why);
    });
  });
}

test('B23: a hello of no bytes at all, with descriptors or without, is the newcomer leaving', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (const descriptors of [[], undefined]) {
      const peer = stage.peer();
      assert.equal(await greetWith(stage, peer, new Uint8Array(0), descriptors), 'end');
      peer.close();
    }
  });
  assert.deepEqual(stage.told, []);
});

test('B23: a hello without a payload is as good as one with 65,503 bytes; one byte too', async (t) => {
  const asked: number[] = [];
  const stage = await openStage(t, { connect: 'ask' });
  stage.port.on('message', (message) => message.type === 'connection-request' && asked.push(message.data.length));
  await stage.survives(async () => {
    for (const length of [0, 1, MAX_DATA]) {
      const peer = stage.peer();
      assert.equal(await greetWith(stage, peer, peer.packet({}, Buffer.alloc(length))), 'welcome');
      peer.close();
      await stage.drops('died');
    }
  });
  assert.deepEqual(asked.slice(0, 3), [0, 1, MAX_DATA]);
});

test('B23: a datagram, a request and a reply of no bytes are messages like others, and so is silence', async (t) => {
  const stage = await openStage(t);
  const seen: string[] = [];
  stage.port.on('message', (message) => seen.push(`${message.type} ${message.data.length}`));
  await stage.survives(async () => {
    const peer = await stage.guest({ maxMessageLength: 32 });
    peer.send({ type: RECORD_TYPE.datagram });
    peer.send({ type: RECORD_TYPE.request, messageId: 1 });
    const reply = await peer.receive();
    assert.deepEqual([reply.type, reply.messageId, reply.data.length], [RECORD_TYPE.reply, 1, 0]);
    peer.close();
    await stage.drops('died');
  });
  assert.deepEqual(seen.slice(0, 3), ['datagram 0', 'request 0', 'port-closed 0']);
});

test('a newcomer of another version is told so, whatever else it says', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (const version of [0, VERSION + 1, 0xffffffff]) {
      const peer = stage.peer();
      assert.equal(await greetWith(stage, peer, peer.packet({ version, ringLength: 2 ** 31, maxMessageLength: 0 })), REASON.version);
      peer.close();
      await stage.drops('version');
    }
  });
});

test('test 29, B1: whatever a newcomer says about itself, in its hello, on its pages or in its messages, it is who the kernel says', async (t) => {
  const stage = await openStage(t, { connect: 'ask' });
  const senders: string[] = [];
  stage.port.on('message', (message) => {
    if (message.type === 'connection-request' || message.type === 'request') senders.push(`${message.type} ${message.sender.pid} ${message.sender.uid} ${message.sender.gid}`);
  });
  await stage.survives(async () => {
    const peer = stage.peer();
    const lies = (role: number): void => {
      peer.set('ownerPid', 1);
      peer.set('role', role);
      peer.set('version', 7);
      peer.set('magic', 0);
      peer.set('ringLength', 2 ** 30);
      peer.set('controlLength', 0);
      peer.setWait('ownerPid', 1);
      peer.setWait('ownerTid', 1);
      peer.setWait('magic', 0);
    };
    lies(1);
    assert.equal(await greetWith(stage, peer, peer.packet({ reason: REASON.accessDenied, reserved: 0xffffffff }, 'pid=1 uid=0 name=\\Security\\LsaAuthenticationPort')), 'welcome');
    for (const role of [0, 1, 2, -1]) {
      lies(role);
      peer.send({ type: RECORD_TYPE.request, messageId: 1, reserved1: 1, sequence: -1, data: 'I am pid 1' });
      assert.equal((await peer.receive()).data.toString(), 'I am pid 1');
    }
    assert.equal(stage.port.connections.length, 2);
    assert.deepEqual(stage.port.connections.map(({ peer: { pid, uid } }) => [pid, uid]), [[process.pid, process.geteuid!()], [process.pid, process.geteuid!()]]);
    peer.close();
    await stage.drops('died');
  });
  const me = `${process.pid} ${process.geteuid!()} ${process.getegid!()}`;
  assert.deepEqual(senders.slice(0, 5), [`connection-request ${me}`, ...Array.from({ length: 4 }, () => `request ${me}`)]);
});

test('B1: a guest that says hello or welcome once more, or anything else than a bell, is dropped', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (const make of [(peer: HandPeer) => peer.packet(), (peer: HandPeer) => peer.packet({ kind: KIND.welcome }), () => Uint8Array.of(0, 0), () => Buffer.alloc(60_000)]) {
      const peer = await stage.guest();
      assert.equal(sendRaw(peer.socket, make(peer)), 'ok');
      await peer.hungUp();
      assert.equal(peer.theirs('state'), 3, 'and reads why');
      peer.close();
      await stage.drops('protocol', /bytes came where only bells are rung/);
    }
  });
});

test('test 7: of the 32 subsets of seals, and of sizes that are short, odd, long or huge, one outbox is taken: sealed as it must be, and of exactly its size', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (let seals = 0; seals < 32; seals++) {
      // A file that nobody may write to can't be mapped for writing; a peer that wants to lie by that seal writes before.
      const outbox = HandFile.make(2 * PAGE, { seals, mapped: false });
      const peer = stage.peer({ outbox });
      const outcome = await greetWith(stage, peer, peer.packet());
      assert.equal(outcome, seals === PROTOCOL_SEALS ? 'welcome' : REASON.protocol, `seals ${seals}`);
      peer.close();
      if (outcome === 'welcome') await stage.drops('disconnected'); // its control page says nothing at all
      else await stage.drops('protocol', new RegExp(`outbox is refused: seals are 0x${seals.toString(16)}, expected 0x17`));
    }
    for (const size of [0, 1, PAGE, 2 * PAGE - 1, 2 * PAGE + 1, 3 * PAGE, 2 ** 40]) {
      const peer = stage.peer({ outbox: HandFile.make(size, { mapped: false }) });
      assert.equal(await greetWith(stage, peer, peer.packet()), REASON.protocol);
      peer.close();
      await stage.drops('protocol', new RegExp(`outbox is refused: size is ${size}, expected ${2 * PAGE}`));
    }
  });
});

test('test 7: the same for its wait page', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (let seals = 0; seals < 32; seals++) {
      const peer = stage.peer({ page: HandFile.make(PAGE, { seals, mapped: false }) });
      const outcome = await greetWith(stage, peer, peer.packet());
      assert.equal(outcome, seals === PROTOCOL_SEALS ? 'welcome' : REASON.protocol, `seals ${seals}`);
      peer.close();
      if (outcome === 'welcome') await stage.drops('died');
      else await stage.drops('protocol', new RegExp(`wait page is refused: seals are 0x${seals.toString(16)}, expected 0x17`));
    }
    for (const size of [0, 1, PAGE - 1, PAGE + 1, 2 * PAGE, 2 ** 40]) {
      const peer = stage.peer({ page: HandFile.make(size, { mapped: false }) });
      assert.equal(await greetWith(stage, peer, peer.packet()), REASON.protocol);
      peer.close();
      await stage.drops('protocol', new RegExp(`wait page is refused: size is ${size}, expected ${PAGE}`));
    }
  });
});

/** Descriptors of all kinds that are no memory file, or none that may be mapped. The caller closes them. */
function impostors(t: TestContext): Record<string, number> {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true }));
  const file = join(directory, 'file');
  writeFileSync(file, Buffer.alloc(2 * PAGE));
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const shm = join('/dev/shm', `alpc-test-${process.pid}`);
  writeFileSync(shm, Buffer.alloc(2 * PAGE));
  atEnd(t, () => rmSync(shm));
  const good = HandFile.make(2 * PAGE);
  atEnd(t, () => good.close());
  const reopened = (flags: number): number => openSync(`/proc/self/fd/${good.fd}`, flags);
  const [pair, other] = makePair();
  const [stream, otherStream] = makePair(SOCK_STREAM);
  atEnd(t, () => [other, otherStream].forEach((fd) => closeSync(fd)));
  return {
    'a regular file': openSync(file, 'r+'),
    'a file on tmpfs': openSync(shm, 'r+'),
    'a directory': openSync(directory, 'r'),
    'a FIFO': openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK),
    'the zero device': openSync('/dev/zero', 'r+'),
    'a file of the kernel': openSync('/proc/self/mem', 'r+'),
    'a memory file that can only be named': reopened(0o10000000),
    'a memory file that can not be read': reopened(constants.O_WRONLY),
    'a socket': pair,
    'a stream socket': stream,
    'a socket that is not connected': makeSocket(SOCK_DGRAM),
  };
}

for (const [place, refusal] of [[0, 'outbox'], [1, 'wait page']] as const) {
  test(`test 11: what is no memory file, or none that can be read, is refused in place of its ${refusal}`, async (t) => {
    const stage = await openStage(t);
    const descriptors = impostors(t);
    await stage.survives(async () => {
      for (const [what, fd] of Object.entries(descriptors)) {
        const peer = stage.peer();
        const sent = [peer.outbox.fd, peer.page.fd];
        sent[place] = fd;
        assert.equal(await greetWith(stage, peer, peer.packet(), sent), REASON.protocol, what);
        peer.close();
        await stage.drops('protocol', new RegExp(`${refusal} is refused: (not a memory file|opened for writing only|seals are 0x1, )`));
      }
    });
    for (const fd of Object.values(descriptors)) closeSync(fd);
  });
}

test('test 11: a memory file on huge pages is of no size that is taken: it is refused for that', async (t) => {
  const stage = await openStage(t);
  const huge = (): HandFile => HandFile.make(2 ** 21, { flags: 4, mapped: false });
  try {
    huge().close();
  } catch (error) {
    return t.skip(`this kernel makes none (${String(error)})`);
  }
  await stage.survives(async () => {
    const peer = stage.peer({ outbox: huge(), ringLength: 2 ** 20 });
    assert.equal(await greetWith(stage, peer, peer.packet()), REASON.protocol);
    peer.close();
    await stage.drops('protocol', /outbox is refused: size is 2097152/);
  });
});

test("what the server itself sent is no secret to it: its own outbox and wait page, sent back, harm nobody", async (t) => {
  const stage = await openStage(t, { limits: { ringLength: PAGE } });
  await stage.survives(async () => {
    const first = await stage.guest();
    const second = stage.peer();
    assert.equal(await greetWith(stage, second, second.packet(), [first.theirOutbox!.fd, first.theirPage!.fd]), 'welcome');
    first.send({ type: RECORD_TYPE.request, messageId: 1, data: 'x' }); // answered into what the server takes for the second one's outbox
    assert.equal((await first.receive()).data.toString(), 'x');
    sendRaw(second.socket, Uint8Array.of(0));
    await stage.honest.request('a turn');
    second.close();
    await stage.drops('died');
    first.close();
    await stage.drops('died');
  });
});

test('one outbox and one wait page in two hellos are two connections, and the end of one is not that of the other', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const first = stage.peer();
    const second = stage.peer({ outbox: first.outbox, page: first.page });
    for (const peer of [first, second]) assert.equal(await greetWith(stage, peer, peer.packet()), 'welcome');
    first.send({ type: RECORD_TYPE.request, messageId: 1, data: 'seen by both' });
    sendRaw(second.socket, Uint8Array.of(0));
    for (const peer of [first, second]) assert.equal((await peer.receive()).data.toString(), 'seen by both');
    second.hangUp();
    await stage.drops('died');
    second.theirOutbox!.close();
    second.theirPage!.close();
    first.send({ type: RECORD_TYPE.request, messageId: 2, data: 'by one' });
    assert.equal((await first.receive()).data.toString(), 'by one');
    first.close();
    await stage.drops('died');
  });
});

test('a newcomer that hangs up at any point of its hello leaves nothing, and is no offender', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    for (let round = 0; round < 30; round++) {
      const silent = stage.peer();
      silent.connect(stage.path);
      if (round % 3 === 1) await stage.honest.request('the server has seen it come');
      silent.close();
      const hasty = stage.peer();
      hasty.connect(stage.path);
      hasty.say();
      hasty.close();
      if (round % 3 === 2) await stage.honest.request('and go');
    }
    await stage.serves();
    await stage.honest.request('all have gone');
  });
  assert.ok(stage.told.every(({ reason }) => reason === 'died'), JSON.stringify(stage.told));
});

test('a hundred bad hellos at once are a hundred reasons, and one honest client among them is let in', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peers = Array.from({ length: 100 }, () => stage.peer());
    for (const peer of peers) {
      peer.connect(stage.path);
      peer.say(peer.packet(), [peer.outbox.fd]);
    }
    await stage.honest.request('in between');
    await Promise.all(peers.map((peer) => peer.hungUp()));
    peers.forEach((peer) => peer.close());
    for (const _ of peers) await stage.drops('protocol', /carries 1 descriptors/);
  });
});

test('a newcomer that says nothing is shown out after ten seconds, with nobody else coming, on the event loop and in a blocking receive', async (t) => {
  const stage = await openStage(t);
  await stage.survives(async () => {
    const peers = [stage.peer(), stage.peer()];
    for (const peer of peers) assert.equal(peer.connect(stage.path), 'ok');
    await stage.honest.request('they have come in');
    // The clock goes on by ten seconds; in the long form by itself.
    const now = performance.now.bind(performance);
    const late = t.mock.method(performance, 'now', () => now() + (isLong ? 0 : 10_001));
    if (!isLong) assert.throws(() => stage.port.receiveSync({ timeout: 0 }), { code: 'ERR_ALPC_TIMEOUT' });
    for (const peer of peers) {
      const answer = await peer.answer();
      assert.ok(answer !== 'end' && answer.reason === REASON.protocol);
      peer.close();
      await stage.drops('protocol', /no hello within 10000 ms/);
    }
    late.mock.restore();
  });
});
