/**
 * A peer that serves a file system of its own (FUSE), and sends descriptors of its files. It answers each question that the kernel asks,
 * so that nobody hangs, and notes which thread's call made the kernel ask: a wicked one would not answer, and that thread would stand. The
 * file system is mounted nowhere, and goes with this process. Nothing that it says is kept by the kernel.
 */
import { close, constants, openSync, read, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { mountNowhere } from '../platform/raw.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { HandPeer, type HandRecord } from './peer.js';
import { sendRaw } from './raw.js';

/** A question of the kernel's, and the number of the thread for whose call it was asked. */
export interface Question {
  readonly about: string;
  readonly thread: number;
}
/** `pass` sends a packet with one descriptor of each of the files, and then a record. */
export type Order =
  | { type: 'greet'; path: string; hello: readonly FileName[] }
  | { type: 'pass'; packet: Uint8Array; files: readonly FileName[]; record?: HandRecord }
  | { type: 'become' | 'drop' | 'questions' };
export type News = { type: 'serving' | 'greeted' | 'passed' | 'dropped' | 'become' } | { type: 'unable'; why: string } | { type: 'questions'; questions: Question[] };

const S_IFSOCK = 0o140000;
const O_PATH = 0x200000;
/** The files: of what format, how they are opened. */
const FILES = {
  file: { format: constants.S_IFREG, flags: constants.O_RDWR },
  folder: { format: constants.S_IFDIR, flags: constants.O_RDONLY },
  device: { format: constants.S_IFCHR, flags: constants.O_RDWR },
  fifo: { format: constants.S_IFIFO, flags: constants.O_RDWR | constants.O_NONBLOCK },
  socket: { format: S_IFSOCK, flags: O_PATH },
} as const;
export type FileName = keyof typeof FILES;
const NAMES = Object.keys(FILES) as FileName[];

// ---- the file system: node 1 is its root, node 2 + i the i-th file -------------------------------------------------------

const QUESTIONS: Readonly<Record<number, string>> = { 1: 'lookup', 2: 'forget', 3: 'getattr', 14: 'open', 15: 'read', 17: 'statfs', 18: 'release', 25: 'flush', 26: 'init', 27: 'opendir', 29: 'releasedir', 34: 'access', 36: 'interrupt', 42: 'forget', 52: 'statx' };
const IN_HEADER = 40;
const OUT_HEADER = 16;
const ENOENT = 2;
const ENOSYS = 38;
/** The device /dev/null. */
const NULL_DEVICE = 0x103;

/** Whose it is: root's is open to all, another user's to nobody else, root neither. */
const owner = Number(actorArguments()[0] ?? 0);
const device = openDevice();
const questions: Question[] = [];

/** A number that is none where the kernel gives nobody the device. */
function openDevice(): number {
  try {
    return openSync('/dev/fuse', 'r+');
  } catch {
    return -1;
  }
}

/** struct fuse_attr. */
function attributesOf(node: number): Buffer {
  const attributes = Buffer.alloc(88);
  attributes.writeBigUInt64LE(BigInt(node), 0);
  attributes.writeBigUInt64LE(4096n, 8);
  const name = NAMES[node - 2];
  attributes.writeUInt32LE(name === undefined ? constants.S_IFDIR | 0o777 : FILES[name].format | 0o777, 60);
  attributes.writeUInt32LE(1, 64);
  attributes.writeUInt32LE(name === 'device' ? NULL_DEVICE : 0, 76);
  attributes.writeUInt32LE(4096, 80);
  return attributes;
}

/** What is answered, or an errno; undefined where no answer is expected. All of it holds for no time. */
function answerTo(about: string | undefined, node: number, body: Buffer): Buffer | number | undefined {
  switch (about) {
    case 'init': {
      const init = Buffer.alloc(64);
      init.writeUInt32LE(7, 0);
      init.writeUInt32LE(31, 4);
      init.writeUInt32LE(65_536, 20);
      return init;
    }
    case 'lookup': {
      const at = NAMES.indexOf(body.toString('latin1', 0, body.indexOf(0)) as FileName);
      if (at < 0) return ENOENT;
      const entry = Buffer.alloc(40);
      entry.writeBigUInt64LE(BigInt(2 + at), 0);
      return Buffer.concat([entry, attributesOf(2 + at)]);
    }
    case 'getattr':
      return Buffer.concat([Buffer.alloc(16), attributesOf(node)]);
    case 'open':
    case 'opendir':
      return Buffer.alloc(16);
    case 'statfs':
      return Buffer.alloc(80);
    case 'read':
    case 'release':
    case 'releasedir':
    case 'flush':
    case 'access':
      return Buffer.alloc(0);
    case 'forget':
    case 'interrupt':
      return undefined;
    default:
      return ENOSYS;
  }
}

function serveNext(buffer: Buffer): void {
  read(device, buffer, 0, buffer.length, null, (error, length) => {
    if (error !== null) throw error;
    const opcode = buffer.readUInt32LE(4);
    questions.push({ about: QUESTIONS[opcode] ?? `question ${opcode}`, thread: buffer.readUInt32LE(32) });
    const answer = answerTo(QUESTIONS[opcode], Number(buffer.readBigUInt64LE(16)), buffer.subarray(IN_HEADER, length));
    if (answer !== undefined) {
      const header = Buffer.alloc(OUT_HEADER);
      const body = typeof answer === 'number' ? Buffer.alloc(0) : answer;
      header.writeUInt32LE(OUT_HEADER + body.length, 0);
      header.writeInt32LE(typeof answer === 'number' ? -answer : 0, 4);
      buffer.copy(header, 8, 8, 16);
      try {
        writeSync(device, Buffer.concat([header, body]));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // who asked was interrupted
      }
    }
    serveNext(buffer);
  });
}

// ---- the peer -----------------------------------------------------------------------------------------------------------

const state: { peer: HandPeer | undefined } = { peer: undefined };

/** Node's pool opens and closes them: this thread has to answer meanwhile. */
async function openAll(root: number, names: readonly FileName[]): Promise<number[]> {
  const handles = await Promise.all(names.map((name) => open(`/proc/self/fd/${root}/${name}`, FILES[name].flags)));
  kept.push(...handles);
  return handles.map(({ fd }) => fd);
}
const kept: { close(): Promise<void> }[] = [];
const letGo = async (): Promise<void> => void (await Promise.all(kept.splice(0).map((handle) => handle.close())));

const root = mountNowhere('fuse', { fd: String(device), rootmode: '40000', user_id: String(owner), group_id: String(owner), ...(owner === 0 ? { allow_other: null } : {}), default_permissions: null });
if (typeof root === 'string') {
  tell<News>({ type: 'unable', why: root });
  if (device >= 0) close(device);
} else {
  serveNext(Buffer.alloc(1 << 17));
  obey<Order>({
    greet: async ({ path, hello }) => {
      const peer = (state.peer = HandPeer.client());
      if (hello.length === 0) await peer.greet(path);
      else {
        peer.connect(path);
        peer.say(peer.packet(), await openAll(root, hello));
        await letGo();
      }
      tell<News>({ type: 'greeted' });
    },
    pass: async ({ packet, files, record }) => {
      const outcome = sendRaw(state.peer!.socket, packet, await openAll(root, files));
      if (outcome !== 'ok') throw new Error(outcome);
      await letGo(); // who receives them is the last who has them
      if (record !== undefined) state.peer!.send(record);
      tell<News>({ type: 'passed' });
    },
    become: () => {
      process.setgid!(owner);
      process.setuid!(owner);
      tell<News>({ type: 'become' });
    },
    drop: () => {
      state.peer?.close();
      tell<News>({ type: 'dropped' });
    },
    questions: () => tell<News>({ type: 'questions', questions: questions.splice(0) }),
  });
  tell<News>({ type: 'serving' });
}
