/**
 * Handles that came from the peer: descriptors of this process's by now, which a message holds until they are taken one by one, or the
 * message is released. What the peer says that they are is a claim, held against the kernel's word and against what this side takes
 * before a message is made.
 *
 * Invariants: each descriptor is told as done once, when it was taken or is closed; one that is taken is the taker's alone. Those that
 * a message holds when this side closes its port are closed; after the peer's end they may still be taken. What is forgotten is closed when
 * the collector finds it.
 */
import { checkInteger, checkOneOf } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { acceptBit, Control, HANDLE_KINDS, type HandleKind, ProtocolViolation } from '../memory/layout.js';
import { type Access, type DescriptorFacts, factsOfDescriptor } from '../platform/descriptor-facts.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import type { Connection } from './connection.js';
import type { PassedDescriptors } from './descriptor-packets.js';
import { channels } from './diagnostics.js';
import { isOfKind } from './handles-to-send.js';
import type { Limits } from './limits.js';

const KINDS = Object.keys(HANDLE_KINDS) as HandleKind[];

export class IncomingHandles {
  readonly #connection: Connection;
  readonly #limits: Limits;
  readonly #holdings = new Set<Holding>();
  #held = 0;
  #forgotten = 0;
  #done = 0;

  constructor(connection: Connection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  /** Descriptors that messages hold, and how many were forgotten so far. */
  get figures(): { heldHandles: number; forgottenHandles: number } {
    return { heldHandles: this.#held, forgottenHandles: this.#forgotten };
  }

  /** The descriptors of a message, which are its own from now on. @throws ProtocolViolation, and then all of them are closed */
  receive({ descriptors, kinds: numbers }: PassedDescriptors, count: number): ReceivedHandles {
    try {
      if (numbers === undefined || descriptors.length !== count) throw new ProtocolViolation(`a message has ${count} handles, its packet ${numbers === undefined ? 'is of a section' : `brought ${descriptors.length}`}`);
      const { handles } = this.#limits;
      if (this.#held + count > handles) throw new ProtocolViolation(`${count} handles came while ${this.#held} are held; the limit is ${handles}`);
      const kinds = numbers.map((number, index) => this.#kindOf(number, descriptors[index]!));
      const holding = new Holding(this, kinds, Array.from(descriptors));
      this.#holdings.add(holding);
      this.#held += count;
      return new ReceivedHandles(holding);
    } catch (error) {
      descriptors.forEach(discardDescriptor);
      throw error;
    }
  }

  /** So many of the peer's descriptors are taken or closed. */
  tellDone(count: number): void {
    if (this.#connection.state !== 'open' || count === 0) return;
    this.#done = (this.#done + count) | 0;
    Atomics.store(this.#connection.link.own.words, Control.handlesDone, this.#done); // SYNC handle.done
  }

  /** A message holds so many fewer. */
  letGo(holding: Holding, count: number): void {
    this.#held -= count;
    if (holding.count === 0) this.#holdings.delete(holding);
    this.tellDone(count);
  }

  /** Nobody had released them, nor taken them. */
  tellForgotten(count: number): void {
    this.#forgotten += count;
    const { portName: port, role, peer } = this.#connection;
    if (channels.forgottenHandles.hasSubscribers) channels.forgottenHandles.publish({ port, role, peer, count });
  }

  /** This side closed its port. */
  drop(): void {
    for (const holding of this.#holdings) holding.release();
  }

  #kindOf(number: number, fd: number): HandleKind {
    const kind = KINDS.find((known) => HANDLE_KINDS[known] === number);
    if (kind === undefined || (this.#limits.accepts & acceptBit(kind)) === 0) throw new ProtocolViolation(`a handle of kind ${kind ?? number} came, which this side does not take`);
    const facts = factsOfDescriptor(fd);
    if (!isOfKind(facts, kind)) throw new ProtocolViolation(`a handle that is said to be a ${kind} is a ${facts.type}`);
    return kind;
  }
}

/** The descriptors of one message. It knows nothing of what shows them to the program, so that a forgotten one can be found. */
class Holding {
  count: number;

  constructor(
    readonly handles: IncomingHandles,
    readonly kinds: readonly HandleKind[],
    /** Those that are neither taken nor closed. */
    readonly descriptors: (number | undefined)[],
  ) {
    this.count = descriptors.length;
  }

  take(index: number): number | undefined {
    const fd = this.descriptors[index];
    if (fd === undefined) return undefined;
    this.descriptors[index] = undefined;
    this.count--;
    this.handles.letGo(this, 1);
    return fd;
  }

  /** Closes what is left. */
  release(): void {
    const left = this.descriptors.filter((fd) => fd !== undefined);
    this.descriptors.fill(undefined);
    this.count = 0;
    left.forEach(discardDescriptor);
    this.handles.letGo(this, left.length);
  }
}

const forgotten = new FinalizationRegistry<Holding>((holding) => {
  if (holding.count > 0) holding.handles.tellForgotten(holding.count);
  holding.release();
});

/** The handles of a message: each can be taken, once, until the message is released. */
export class ReceivedHandles {
  readonly #holding: Holding | undefined;
  #isReleased = false;

  /** Engine room: comes with a message. */
  constructor(holding: Holding | undefined) {
    this.#holding = holding;
    if (holding !== undefined) forgotten.register(this, holding, this);
  }

  /** How many came. */
  get length(): number {
    return this.kinds.length;
  }

  /** What each of them is, as the sender says and the kernel allows. */
  get kinds(): readonly HandleKind[] {
    return this.#holding?.kinds ?? NONE;
  }

  /** What may be done through one of them: 'read', 'write', 'read-write', or 'none' (a mere reference). @throws AlpcError as `take` does */
  access(index: number): Access {
    return this.#factsOf(index).access;
  }

  /**
   * A descriptor, the caller's from now on, who closes it. NtAlpcQueryInformationMessage, AlpcMessageHandleInformation.
   * @param kind what it must be
   * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT beyond the last one; ERR_ALPC_OBJECT_TYPE_MISMATCH when it is not of `kind`; ERR_ALPC_CLOSED when
   *   it has been taken, or the message released
   */
  take(index: number, kind?: HandleKind): number {
    const fd = this.#check(index);
    if (kind !== undefined && this.kinds[index] !== checkOneOf(kind, 'kind', KINDS)) throw new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `handle ${index} is a ${this.kinds[index]}, not a ${kind}`);
    this.#holding!.take(index);
    return fd;
  }

  /** Engine room: what was not taken is closed. */
  release(): void {
    if (this.#isReleased || this.#holding === undefined) return;
    this.#isReleased = true;
    forgotten.unregister(this);
    this.#holding.release();
  }

  #factsOf(index: number): DescriptorFacts {
    return factsOfDescriptor(this.#check(index));
  }

  #check(index: number): number {
    checkInteger(index, 'index', 0, this.length - 1);
    const fd = this.#holding!.descriptors[index];
    if (fd !== undefined) return fd;
    throw new AlpcError('ERR_ALPC_CLOSED', `handle ${index} has been taken already, or its message released`);
  }
}

const NONE: readonly HandleKind[] = Object.freeze([]);
/** What a message has that came without. */
export const NO_HANDLES = new ReceivedHandles(undefined);
