/**
 * Views that came from the peer: its sections, each mapped once, and which of its views this side holds. What a message says about a view
 * is a claim: it is checked against the file that the kernel shows, and against what this side is willing to hold, before
 * anything is mapped.
 *
 * Invariants: a section stays mapped while a view of it is held, also after the connection's end; each view is told as released once.
 */
import { untrustedNumber, within } from '../base/untrusted.js';
import { Accepts, ProtocolViolation, ViewFlag, ViewWords as V } from '../memory/layout.js';
import { ReleaseWriter, VIEW_ROW } from '../memory/releases.js';
import { openPeerFile, type SectionKind, wholePages } from '../memory/section-file.js';
import { discardDescriptor } from '../platform/foreign-descriptors.js';
import type { Window } from '../platform/window.js';
import type { Connection } from './connection.js';
import { channels } from './diagnostics.js';
import type { Limits } from './limits.js';
import { Holding, ReceivedView, YoungViews } from './received-view.js';

/** Two halves of a length; more than any section has is no number. */
const HALF = 2 ** 32;

export class IncomingViews {
  readonly #connection: Connection;
  readonly #limits: Limits;
  readonly #releases: ReleaseWriter;
  readonly #sections = new Map<number, PeerSection>();
  readonly #held = new Set<number>();
  readonly #young = new YoungViews();
  #bytes = 0;
  #forgotten = 0;

  constructor(connection: Connection, limits: Limits) {
    this.#connection = connection;
    this.#limits = limits;
    this.#releases = new ReleaseWriter(connection.link.own, VIEW_ROW);
  }

  /** Views that are held now, the bytes of their sections, and how many were forgotten so far. */
  get figures(): { heldViews: number; mappedBytes: number; forgottenViews: number } {
    return { heldViews: this.#held.size, mappedBytes: this.#bytes, forgottenViews: this.#forgotten };
  }

  /** What a message's view attribute stands for. @throws ProtocolViolation; SystemError when this process has no room for it */
  receive(block: Int32Array): ReceivedView {
    const flags = block[V.flags]!;
    const number = block[V.view]!;
    const kind: SectionKind = (flags & ViewFlag.secure) !== 0 ? 'secure' : (flags & ViewFlag.writable) !== 0 ? 'read-write' : 'read-only';
    const { accepts, views } = this.#limits;
    if ((accepts & (kind === 'secure' ? Accepts.secureViews : Accepts.views)) === 0) throw new ProtocolViolation(`a ${kind} view came, which this side does not take`);
    if (this.#held.size >= views) throw new ProtocolViolation(`a view came while ${views} are held, which is the limit`);
    if (this.#held.has(number)) throw new ProtocolViolation(`view ${number} came while it is held`);
    const section = this.#sectionOf(block, kind);
    const offset = within(lengthIn(block, V.offsetLow), 0, section.window.length);
    const length = offset === undefined ? undefined : within(lengthIn(block, V.lengthLow), 1, section.window.length - offset);
    if (offset === undefined || length === undefined || offset % 8 !== 0) {
      throw new ProtocolViolation(`a view lies at ${join(block, V.offsetLow)} and has ${join(block, V.lengthLow)} bytes, in a section of ${section.window.length}`);
    }
    this.#held.add(number);
    section.users++;
    return new ReceivedView(new Holding(this, section, number, offset), length, this.#young);
  }

  /** The peer will not send views of this section any more. */
  forgetSection(id: number): void {
    const section = this.#sections.get(id);
    if (section === undefined) return; // none of its views was ever sent
    section.isForgotten = true;
    this.#unmapIfUnused(section);
  }

  /** A view is not looked at any more. */
  release(section: PeerSection, number: number): void {
    section.users--;
    this.#held.delete(number);
    this.#unmapIfUnused(section);
    if (this.#connection.state !== 'open') return;
    this.#releases.release(number);
    this.#connection.link.ringForViews();
  }

  /** A view was collected as garbage, and nobody had released it. */
  tellForgotten(length: number): void {
    this.#forgotten++;
    const { portName: port, role, peer } = this.#connection;
    if (channels.forgotten.hasSubscribers) channels.forgotten.publish({ port, role, peer, length });
  }

  /** The connection has ended: sections go with their last views. */
  end(): void {
    for (const section of this.#sections.values()) {
      section.isForgotten = true;
      this.#unmapIfUnused(section);
    }
  }

  /** This side closed its port, and is done with everything: views show no more than zeros. */
  drop(): void {
    for (const section of this.#sections.values()) {
      section.isOver = true;
      section.window.close();
    }
    this.#sections.clear();
    this.#bytes = 0;
  }

  #sectionOf(block: Int32Array, kind: SectionKind): PeerSection {
    const id = block[V.section]!;
    const known = this.#sections.get(id);
    if (known !== undefined) {
      if (known.kind !== kind || known.isForgotten) throw new ProtocolViolation(`a view is of section ${id}, which is not a ${kind} one`);
      return known;
    }
    const { accepts, sections, sectionBytes } = this.#limits;
    const { descriptors, kinds } = this.#connection.attributes.packets.claim(block[V.packet]!);
    if (descriptors.length !== 1 || kinds !== undefined) {
      descriptors.forEach(discardDescriptor);
      throw new ProtocolViolation(kinds === undefined ? `a section came with ${descriptors.length} descriptors, expected 1` : 'a section came in a packet of handles');
    }
    const fd = descriptors[0]!;
    const size = this.#sections.size >= sections ? undefined : within(lengthIn(block, V.sizeLow), 1, sectionBytes - this.#bytes);
    if (size === undefined || wholePages(size) !== size) {
      discardDescriptor(fd);
      throw new ProtocolViolation(`a section of ${join(block, V.sizeLow)} bytes came, while ${this.#sections.size} of ${this.#bytes} bytes are mapped; the limits are ${sections} and ${sectionBytes}, in whole pages`);
    }
    const mayWrite = kind === 'read-write' && (accepts & Accepts.writableViews) !== 0;
    const section = new PeerSection(id, kind, mayWrite, openPeerFile(fd, size, kind, mayWrite));
    // Of a secure section there is this one view, and the section goes with it.
    section.isForgotten = kind === 'secure';
    this.#sections.set(id, section);
    this.#bytes += size;
    return section;
  }

  #unmapIfUnused(section: PeerSection): void {
    if (!section.isForgotten || section.users > 0 || this.#sections.get(section.id) !== section) return;
    this.#sections.delete(section.id);
    this.#bytes -= section.window.length;
    section.window.close();
  }
}

/** A section of the peer, mapped here. */
export class PeerSection {
  /** Views of it that are held. */
  users = 0;
  /** No more views of it will come. */
  isForgotten = false;
  isOver = false;

  constructor(
    readonly id: number,
    readonly kind: SectionKind,
    readonly mayWrite: boolean,
    readonly window: Window,
  ) {}
}

function lengthIn(block: Int32Array, low: number): ReturnType<typeof untrustedNumber> {
  return untrustedNumber(join(block, low));
}

function join(block: Int32Array, low: number): number {
  return (block[low + 1]! >>> 0) * HALF + (block[low]! >>> 0);
}
