/**
 * Newcomers written by hand, against a real port: what they say of themselves is not who they are, and whoever does not keep
 * to the handshake is sent away, without a trace and without harm to those who do.
 */
import assert from 'node:assert/strict';
import { constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connectPort, type ConnectionPort, createPort } from '../../src/index.js';
import { Control, MAX_MESSAGE_LENGTH, PROTOCOL_VERSION, RecordType } from '../../src/memory/layout.js';
import { Link } from '../../src/memory/link.js';
import { Outbox } from '../../src/memory/outbox.js';
import { WaitPage } from '../../src/memory/wait-page.js';
import { decodePacket, encodePacket, type HandshakePacket, MAX_PACKET } from '../../src/ports/handshake.js';
import { thisThread } from '../../src/ports/thread.js';
import { unixAddress } from '../../src/platform/listener.js';
import { createMemoryFile, sealMemoryFile } from '../../src/platform/memory-file.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { connectSocket, createSeqpacketSocket, receivePacket, sendPacket } from '../../src/platform/unix-socket.js';
import { PAGE } from '../memory/support.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turn, turnsUntil } from '../support/turns.js';

withLedger();

const NAME = '\\RPC Control\\handshake';

interface Answer {
  readonly socket: number;
  readonly answer: HandshakePacket | 'end';
  readonly got: number[];
}

/** A port, and a way to send it any hello with any descriptors; what it answers. */
async function portForStrangers(t: TestContext): Promise<{ port: ConnectionPort; greet: (packet: Uint8Array, descriptors: number[]) => Promise<Answer> }> {
  const root = temporaryRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  port.on('message', () => {});
  return {
    port,
    greet: async (packet, descriptors) => {
      const socket = createSeqpacketSocket();
      atEnd(t, () => closeDescriptor(socket));
      assert.equal(connectSocket(socket, unixAddress(join(root, 'RPC Control', 'handshake'))), 'connected');
      sendPacket(socket, packet, descriptors);
      const buffer = Buffer.alloc(MAX_PACKET);
      for (;;) {
        const read = receivePacket(socket, buffer);
        if (read === 'end') return { socket, answer: 'end', got: [] };
        if (read !== 'none') return { socket, answer: decodePacket(buffer.subarray(0, read.length)), got: read.descriptors };
        await turn();
      }
    },
  };
}

function outboxOf(t: TestContext, ringLength = PAGE): Outbox {
  const outbox = Outbox.create(thisThread().arena, 'alpc:stranger', ringLength, 0);
  atEnd(t, () => outbox.close());
  return outbox;
}

function waitPageOf(t: TestContext): WaitPage {
  const page = new WaitPage(thisThread().arena, 1);
  atEnd(t, () => page.close());
  return page;
}

const hello = encodePacket('hello', { ringLength: PAGE, maxMessageLength: MAX_MESSAGE_LENGTH, data: Buffer.from('pid 1 uid 0') });

test('what a newcomer writes about itself, in its memory or its hello, is not who it is', async (t) => {
  const { port, greet } = await portForStrangers(t);
  const own = outboxOf(t);
  own.words[Control.ownerPid] = 1;
  own.words[Control.role] = 1;
  const senders: { pid: number; uid: number; command: string | undefined }[] = [];
  port.on('message', (message) => {
    if (message.type === 'datagram') senders.push(message.sender);
  });
  const { socket, answer, got } = await greet(hello, [own.fd, waitPageOf(t).fd]);
  assert.ok(answer !== 'end' && answer.kind === 'welcome');
  closeDescriptor(got[1]!);
  const link = new Link(own, Outbox.open(thisThread().arena, got[0]!, answer.ringLength), socket, MAX_MESSAGE_LENGTH);
  atEnd(t, () => link.close());
  link.send(RecordType.datagram, 0, 0, 0, 'I am root', 9);
  await turnsUntil(() => senders.length > 0);
  assert.deepEqual([senders[0]!.pid, senders[0]!.uid], [process.pid, process.geteuid!()]);
});

/** A good memory file, through a descriptor that can't be read. */
function writeOnly(t: TestContext, size: number): number {
  const fd = createMemoryFile('alpc:stranger', size);
  sealMemoryFile(fd);
  const write = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY);
  closeDescriptor(fd);
  atEnd(t, () => closeDescriptor(write));
  return write;
}

/** Hellos that no honest client sends. */
const strangers: Record<string, (t: TestContext) => [packet: Uint8Array, descriptors: number[]]> = {
  'no descriptors': () => [hello, []],
  'one descriptor': (t) => [hello, [outboxOf(t).fd]],
  'three descriptors': (t) => [hello, [outboxOf(t).fd, waitPageOf(t).fd, waitPageOf(t).fd]],
  'two hundred descriptors': (t) => [hello, Array.from({ length: 200 }, () => outboxOf(t).fd)],
  'its descriptors the wrong way round': (t) => [hello, [waitPageOf(t).fd, outboxOf(t).fd]],
  'an outbox of another length than it says': (t) => [hello, [outboxOf(t, 2 * PAGE).fd, waitPageOf(t).fd]],
  'an outbox that can not be read': (t) => [hello, [writeOnly(t, 2 * PAGE), waitPageOf(t).fd]],
  'a wait page that can not be read': (t) => [hello, [outboxOf(t).fd, writeOnly(t, PAGE)]],
  'a welcome for a hello': (t) => [encodePacket('welcome', { ringLength: PAGE, maxMessageLength: 100 }), [outboxOf(t).fd, waitPageOf(t).fd]],
  'a bell for a hello': () => [Uint8Array.of(0), []],
  'noise': () => [Buffer.alloc(5000, 'noise'), []],
};

for (const [what, make] of Object.entries(strangers)) {
  test(`a newcomer with ${what} is sent away, nothing of it is kept, and the port goes on`, async (t) => {
    const { port, greet } = await portForStrangers(t);
    const { answer } = await greet(...make(t));
    assert.ok(answer === 'end' || (answer.kind === 'refusal' && answer.reason === 'protocol'), JSON.stringify(answer));
    assert.deepEqual(port.connections, []);
    await using client = await connectPort(NAME);
    assert.equal(client.tryPost('after the stranger'), 'sent');
    assert.equal(port.connections.length, 1);
  });
}

test('a newcomer of another version is told so', async (t) => {
  const { greet } = await portForStrangers(t);
  const later = Buffer.from(hello);
  later.writeUInt32LE(PROTOCOL_VERSION + 1, 4);
  const { answer } = await greet(later, [outboxOf(t).fd, waitPageOf(t).fd]);
  assert.ok(answer !== 'end' && answer.kind === 'refusal' && answer.reason === 'version');
});
