/**
 * Descriptors of files whose file system the sender serves itself. A question that the kernel has to put to that file system is answered
 * when the sender likes, and the thread whose call it was stands until then. So whatever comes of a descriptor, taken, refused, or named by
 * nobody, the thread that received it must ask nothing: neither what it is nor that it be closed. It needs root, for FUSE.
 */
import assert from 'node:assert/strict';
import { closeSync, existsSync, fstatSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { type AcceptedKind, type CreatePortOptions, type Message, openEvent, openNamedSection } from '../../src/index.js';
import { threadId } from '../../src/platform/thread-id.js';
import { failsWith, until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { type Actor, startActor } from '../support/processes.js';
import { USERS } from '../support/users.js';
import { ATTRIBUTE, type HandRecord, PAGE, RECORD_TYPE } from './peer.js';
import type { FileName, News, Order } from './served-files-actor.js';
import { openStage, type Stage } from './stage.js';

withLedger();

const noFuse: string | false = process.geteuid!() !== 0 || !existsSync('/dev/fuse') ? 'needs root, and FUSE' : false;
const KIND = { file: 1, directory: 2, device: 3, socket: 4, server: 5, pipe: 6, event: 7, section: 8, port: 9 } as const;
type Kind = keyof typeof KIND;
/** What each of the files may be taken for. */
const FILES: readonly (readonly [Kind, FileName])[] = [['file', 'file'], ['section', 'file'], ['directory', 'folder'], ['device', 'device'], ['pipe', 'fifo'], ['event', 'fifo'], ['port', 'socket']];
const ALL: CreatePortOptions = { accepts: Object.keys(KIND) as AcceptedKind[] };

const packet = (...kinds: Kind[]): Uint8Array => Buffer.from(Int32Array.of(4, 1, kinds.length, 1, ...kinds.map((kind) => KIND[kind])).buffer);
const record = (count: number): { type: number; attributes: number; data: Uint8Array } => ({ type: RECORD_TYPE.datagram, attributes: ATTRIBUTE.handle, data: Buffer.from(Int32Array.of(1, count).buffer) });

/** A peer with its file system, greeted if it says no hello of its own. False: the kernel lets nobody serve one here. */
async function meet(t: TestContext, stage: Stage, hello: FileName[] = [], owner = '0'): Promise<Actor<Order, News> | false> {
  const peer = startActor<Order, News>(t, new URL('./served-files-actor.js', import.meta.url), [owner]);
  const able = await Promise.race([peer.until('serving').then(() => true), peer.until('unable').then(({ why }) => why)]);
  if (able !== true) {
    t.skip(`no file system can be served here: ${able}`);
    return false;
  }
  await peer.ask({ type: 'greet', path: stage.path, hello }, 'greeted');
  return peer;
}

/** What its file system was asked since the last time, for calls of this thread. */
async function asked(peer: Actor<Order, News>): Promise<string[]> {
  const { questions } = await peer.ask({ type: 'questions' }, 'questions');
  return questions.filter(({ thread }) => thread === threadId()).map(({ about }) => about);
}

for (const [kind, file] of FILES) {
  test(`a handle of kind ${kind} whose file system its sender serves is looked at, held and closed, and the file system is not asked`, { skip: noFuse }, async (t) => {
    const stage = await openStage(t, ALL);
    const seen: string[] = [];
    stage.port.on('message', (message: Message) => {
      if (message.type !== 'datagram') return;
      seen.push(`${message.handles.kinds.join()} ${message.handles.access(0)}`);
      message.release();
    });
    const peer = await meet(t, stage);
    if (peer === false) return;
    await peer.ask({ type: 'pass', packet: packet(kind), files: [file], record: record(1) }, 'passed');
    await until('it came', () => seen.length === 1);
    await stage.serves();
    assert.deepEqual(seen, [`${kind} ${kind === 'port' ? 'none' : kind === 'directory' ? 'read' : 'read-write'}`]);
    assert.deepEqual(await asked(peer), []);
  });
}

test('the file system notes what it is asked: of a file that was taken, by whoever looks at it or closes it', { skip: noFuse }, async (t) => {
  const stage = await openStage(t, ALL);
  const taken: number[] = [];
  stage.port.on('message', (message: Message) => void (message.type === 'datagram' && taken.push(message.handles.take(0))));
  const peer = await meet(t, stage);
  if (peer === false) return;
  await peer.ask({ type: 'pass', packet: packet('file'), files: ['file'], record: record(1) }, 'passed');
  await until('it came', () => taken.length === 1);
  assert.deepEqual(await asked(peer), []);
  fstatSync(taken[0]!);
  assert.ok((await asked(peer)).includes('getattr'));
  closeSync(taken[0]!);
  assert.deepEqual(await asked(peer), ['flush']);
});

type Attack = readonly [what: string, offence: RegExp | undefined, attack: { hello?: FileName[]; order?: Extract<Order, { type: 'pass' }> }, accepts?: AcceptedKind[]];
const pass = (packet: Uint8Array, files: FileName[], record?: HandRecord): Attack[2] => ({ order: { type: 'pass', packet, files, ...(record === undefined ? {} : { record }) } });
/** A packet of a section, and a record with a view of it. */
const section = Buffer.from(Int32Array.of(4, 1, 1, 0).buffer);
const view = { type: RECORD_TYPE.datagram, attributes: ATTRIBUTE.view, data: Buffer.from(Int32Array.of(0, 1, 1, 1, 0, 0, PAGE, 0, PAGE, 0).buffer) };

const ATTACKS: readonly Attack[] = [
  ['a file for a socket', /said to be a socket is a file/, pass(packet('socket'), ['file'], record(1))],
  ['a directory for a file', /said to be a file is a directory/, pass(packet('file'), ['folder'], record(1))],
  ['of a kind that is not taken', /a handle of kind file came, which this side does not take/, pass(packet('file'), ['file'], record(1)), ['event']],
  ['fewer than are said', /a message has 2 handles, its packet brought 1/, pass(packet('file'), ['file'], record(2))],
  ['a packet that is none', /a packet of 2 bytes came/, pass(Uint8Array.of(0, 0), ['file', 'folder'])],
  ['with a bell', undefined, pass(Uint8Array.of(0), ['file', 'folder'])],
  ['that no record names', undefined, pass(packet('file', 'directory'), ['file', 'folder'])],
  ['a file for a section', /not a memory file/, pass(section, ['file'], view), ['view']],
  ['for outbox and wait page', /outbox is refused: not a memory file/, { hello: ['file', 'folder'] }],
  ['too many in a hello', /carries 3 descriptors/, { hello: ['file', 'folder', 'file'] }],
];

for (const [what, offence, { hello, order }, accepts] of ATTACKS) {
  test(`descriptors of a file system that their sender serves and nobody wants (${what}) are closed, and the file system is not asked`, { skip: noFuse }, async (t) => {
    const stage = await openStage(t, accepts === undefined ? ALL : { accepts });
    await stage.survives(async () => {
      const peer = await meet(t, stage, hello);
      if (peer === false) return;
      const who = { pid: peer.pid, uid: 0 };
      if (order !== undefined) await peer.ask(order, 'passed');
      if (offence !== undefined) await stage.drops('protocol', offence, who);
      else {
        await peer.ask({ type: 'drop' }, 'dropped'); // what it sent is read before its end
        await stage.drops('died', undefined, who);
      }
      await stage.serves();
      assert.deepEqual(await asked(peer), []);
      await peer.kill();
    });
  });
}

for (const [kind, file, open] of [
  ['event', 'fifo', (fd: number) => openEvent({ fd })],
  ['section', 'file', (fd: number) => openNamedSection({ fd })],
] as const) {
  test(`a handle of kind ${kind} whose file system its sender serves is not opened, which is told by ERR_ALPC_OBJECT_TYPE_MISMATCH, and the file system is not asked`, { skip: noFuse }, async (t) => {
    const stage = await openStage(t, ALL);
    const taken: number[] = [];
    stage.port.on('message', (message: Message) => void (message.type === 'datagram' && taken.push(message.handles.take(0))));
    const peer = await meet(t, stage);
    if (peer === false) return;
    await peer.ask({ type: 'pass', packet: packet(kind), files: [file], record: record(1) }, 'passed');
    await until('it came', () => taken.length === 1);
    assert.throws(() => open(taken[0]!), failsWith('ERR_ALPC_OBJECT_TYPE_MISMATCH', /a file of another file system than the namespace's/));
    assert.deepEqual(await asked(peer), []);
    await until('it is closed all the same', () => !existsSync(`/proc/self/fd/${taken[0]}`));
  });
}

test('a descriptor of a file system that lets nobody else in, root neither, ends its sender\'s connection, and is closed', { skip: isMainThread ? noFuse : 'a worker thread, as its actor is one then, can become nobody else' }, async (t) => {
  const stage = await openStage(t, ALL);
  await stage.survives(async () => {
    const peer = await meet(t, stage, [], String(USERS[0]));
    if (peer === false) return;
    await peer.ask({ type: 'become' }, 'become');
    await peer.ask({ type: 'pass', packet: packet('file'), files: ['file'], record: record(1) }, 'passed');
    await stage.drops('quota', /statx: EACCES/, { pid: peer.pid, uid: 0 });
    await stage.serves();
    assert.deepEqual(await asked(peer), []);
    await peer.kill();
  });
});
