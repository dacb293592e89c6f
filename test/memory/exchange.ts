/**
 * Two parties that talk over a link, wherever they are: two processes, or two threads of one. `host` listens, `join` connects,
 * each hands the other its outbox over the socket; then `echo` answers what `drive` asks, with pauses at random moments, so
 * that sleeps and publishing meet in every way that the machine can bring about.
 */
import { Link } from '../../src/memory/link.js';
import { MAX_MESSAGE_LENGTH } from '../../src/memory/layout.js';
import { Outbox } from '../../src/memory/outbox.js';
import { unixAddress } from '../../src/platform/listener.js';
import { pause, waitReadable } from '../../src/platform/poller.js';
import { Arena } from '../../src/platform/arena.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { acceptConnection, connectSocket, createSeqpacketSocket, receiveBytes, receivePacket, sendPacket } from '../../src/platform/unix-socket.js';
import type { Meeting } from './exchange-actor.js';
import { randomFrom } from './support.js';

/** A sleep that lasts this long while there is something to do is a lost wake-up. */
const LOST_AFTER = 10_000;

export class Party {
  readonly link: Link;
  sleeps = 0;
  readonly #random: (below: number) => number;
  readonly #bell = Buffer.alloc(8);
  readonly #own: Outbox;

  /** Takes over `socket`. */
  constructor(readonly socket: number, ringLength: number, seed: number) {
    const arena = new Arena();
    this.#own = Outbox.create(arena, 'alpc:exchange', ringLength, 0);
    this.#random = randomFrom(seed);
    sendPacket(socket, Buffer.from('outbox'), [this.#own.fd]);
    waitReadable(socket, LOST_AFTER);
    const packet = receivePacket(socket, Buffer.alloc(64));
    if (typeof packet === 'string' || packet.descriptors.length !== 1) throw new Error('the other party sent no outbox');
    this.link = new Link(this.#own, Outbox.open(arena, packet.descriptors[0]!, ringLength), socket, MAX_MESSAGE_LENGTH);
  }

  /** Up to some 50 microseconds of doing something else, most often none. */
  dawdle(): void {
    const how = this.#random(16);
    if (how === 0) pause(this.#random(2));
    else if (how < 8) for (let i = this.#random(4000); i > 0; i--) Math.sqrt(i);
  }

  /** The next record's message id; sleeps until it is there. */
  receive(): number {
    const { link } = this;
    for (let looks = this.#random(3) === 0 ? 500 : 0; looks > 0 && !link.reader.hasData(); looks--);
    while (!link.reader.hasData()) this.#sleep(() => link.armForData(), () => link.reader.hasData());
    if (!link.reader.next()) throw new Error('there was data, and then there was none');
    const { messageId } = link.reader;
    link.release();
    return messageId;
  }

  /** Publishes a record of `length` bytes; sleeps until there is room. */
  send(messageId: number, length: number): void {
    const data = Buffer.alloc(length, messageId);
    while (!this.link.send(3, messageId, 0, 0, data, length)) {
      this.#sleep(() => this.link.armForSpace(length), () => this.link.writer.hasRoomToGoOn(length));
      this.link.disarmForSpace();
    }
  }

  close(): void {
    this.link.close();
    closeDescriptor(this.socket);
  }

  #sleep(arm: () => boolean, isAwaited: () => boolean): void {
    if (!arm()) return;
    this.dawdle();
    this.sleeps++;
    if (!waitReadable(this.socket, LOST_AFTER)) throw new Error(isAwaited() ? `a wake-up was lost: it slept for ${LOST_AFTER} ms beside what it waits for` : 'the other party does nothing any more');
    while (receiveBytes(this.socket, this.#bell) === 1);
    this.link.disarm();
  }
}

export function listenAt(path: string): number {
  const address = unixAddress(path);
  const listener = createSeqpacketSocket();
  check('bind', libc().bind(listener, address, address.length));
  check('listen', libc().listen(listener, 4));
  return listener;
}

/** Blocks this thread until the other party is there. */
export function host(listener: number, { ringLength, seed }: Meeting): Party {
  waitReadable(listener, LOST_AFTER);
  const socket = acceptConnection(listener);
  if (typeof socket !== 'number') throw new Error(`nobody came: ${socket}`);
  return new Party(socket, ringLength, seed);
}

export function join({ path, ringLength, seed }: Meeting): Party {
  const socket = createSeqpacketSocket();
  const outcome = connectSocket(socket, unixAddress(path));
  if (outcome !== 'connected') throw new Error(outcome);
  return new Party(socket, ringLength, seed + 1);
}

/** One question at a time, `count` times. */
export function drive(party: Party, count: number): void {
  for (let i = 1; i <= count; i++) {
    party.send(i, i % 50);
    party.dawdle();
    const answer = party.receive();
    if (answer !== -i) throw new Error(`the answer to ${i} is ${answer}`);
  }
  party.send(0, 0);
}

/** Answers until it is told that there is no more; how often it did. */
export function echo(party: Party): number {
  let count = 0;
  for (let id = party.receive(); id !== 0; id = party.receive()) {
    party.dawdle();
    party.send(-id, id % 70 === 0 ? 1000 : 10);
    count++;
  }
  return count;
}

/** One way, as fast as it goes: the sender sleeps for room, the receiver for data. */
export function flood(party: Party, count: number): void {
  for (let i = 1; i <= count; i++) {
    if (i % 64 === 0) party.dawdle();
    party.send(i, i % 200);
  }
  party.send(0, 0);
}

export function drain(party: Party): number {
  let expected = 0;
  for (let id = party.receive(); id !== 0; id = party.receive()) {
    if (id !== ++expected) throw new Error(`record ${expected} came as ${id}`);
    if (id % 100 === 0) party.dawdle();
  }
  return expected;
}
