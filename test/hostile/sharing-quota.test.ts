/**
 * The algebra of quotas, for what is shared: views, sections, their bytes, and descriptors. A peer written by hand sends and takes back as chance
 * will have it, its receiver holds and releases; beside them goes a model that counts. What fits is taken and counted, to the byte; what does not
 * is a breach, and everything comes to nothing with the connection.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import type { DatagramMessage } from '../../src/index.js';
import { randomFrom } from '../memory/support.js';
import { tally, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { serve } from './meeting.js';
import { ATTRIBUTE, type HandPeer, PAGE, RECORD_TYPE } from './peer.js';
import { HandFile, PROTOCOL_SEALS, sendRaw } from './raw.js';

withLedger();

const CONNECTIONS = times(40, 3000);
const LIMITS = { views: 6, sections: 4, sectionBytes: 8 * PAGE, handles: 7 };
const FILE = 1;

interface Held {
  readonly message: DatagramMessage;
  /** The section that its view is of, or how many handles it has. */
  readonly section?: Section;
  readonly handles: number;
}

interface Section {
  readonly id: number;
  readonly pages: number;
  users: number;
  isForgotten: boolean;
}

/** What the receiver of one connection should hold. */
class Model {
  readonly held: Held[] = [];
  readonly sections: Section[] = [];

  get figures(): { heldViews: number; mappedBytes: number; heldHandles: number } {
    return { heldViews: this.held.filter(({ section }) => section !== undefined).length, mappedBytes: this.pages * PAGE, heldHandles: this.held.reduce((sum, { handles }) => sum + handles, 0) };
  }

  get pages(): number {
    return this.sections.reduce((sum, { pages }) => sum + pages, 0);
  }

  fits(section: Section): boolean {
    const isKnown = this.sections.includes(section);
    return this.figures.heldViews < LIMITS.views && (isKnown || (this.sections.length < LIMITS.sections && (this.pages + section.pages) * PAGE <= LIMITS.sectionBytes));
  }

  fitsHandles(count: number): boolean {
    return this.figures.heldHandles + count <= LIMITS.handles;
  }

  dropUnused(): void {
    for (const section of this.sections.filter(({ isForgotten, users }) => isForgotten && users === 0)) this.sections.splice(this.sections.indexOf(section), 1);
  }
}

function words(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer);
}

/** The sender's side: numbers as the protocol has them, whatever the limits. */
class Sender {
  #packets = 0;
  #views = 0;
  #sections = 0;

  constructor(readonly peer: HandPeer, readonly file: number) {}

  newSection(pages: number): Section {
    return { id: ++this.#sections, pages, users: 0, isForgotten: false };
  }

  sendView(section: Section, isNew: boolean): void {
    if (isNew) {
      const file = HandFile.make(section.pages * PAGE, { name: 'alpc:hand', seals: PROTOCOL_SEALS });
      sendRaw(this.peer.socket, words(4, ++this.#packets, 1, 0), [file.fd]);
      file.close();
    }
    this.peer.send({ attributes: ATTRIBUTE.view, data: words(0, section.id, isNew ? this.#packets : 0, ++this.#views, 0, 0, 8, 0, section.pages * PAGE, 0) });
  }

  sendHandles(count: number): void {
    const kinds = Array.from({ length: count }, () => FILE);
    sendRaw(this.peer.socket, words(4, ++this.#packets, count, 1, ...kinds), kinds.map(() => this.file));
    this.peer.send({ attributes: ATTRIBUTE.handle, data: words(this.#packets, count) });
  }

  forget({ id }: Section): void {
    this.peer.send({ type: RECORD_TYPE.forget, messageId: id });
  }
}

test('38: what a peer shares is charged by views, sections, bytes and descriptors, what fits is taken, what does not is a breach, and all is released to nothing', async (t) => {
  const file = openSync('/proc/self/exe', 'r');
  atEnd(t, () => closeSync(file));
  const { port, ends, peer, last } = await serve(t, { accepts: ['view', 'file'], limits: LIMITS });
  const came: DatagramMessage[] = [];
  port.on('message', (message) => message.type === 'datagram' && came.push(message));
  const random = randomFrom(38);
  const outcomes: string[] = [];
  for (let connection = 1; connection <= CONNECTIONS; connection++) {
    const hand = await peer();
    const ours = last();
    const [model, sender] = [new Model(), new Sender(hand, file)];
    const receive = async (section: Section | undefined, handles: number): Promise<void> => {
      await until('it has come', () => came.length === 1);
      model.held.push({ message: came.shift()!, handles, ...(section === undefined ? {} : { section }) });
    };
    for (let i = 0; i < 60 && ends.length < connection; i++) {
      const what = random(8);
      const known = model.sections.filter(({ isForgotten }) => !isForgotten);
      if (what < 3) {
        const isNew = known.length === 0 || random(3) === 0;
        const section = isNew ? sender.newSection(1 + random(4)) : known[random(known.length)]!;
        const fits = model.fits(section);
        if (!fits && random(4) > 0) continue; // goes on for a while
        sender.sendView(section, isNew);
        outcomes.push(fits ? 'a view' : 'a view too many');
        if (!fits) await until('it is dropped', () => ends.length === connection);
        else {
          await receive(section, 0);
          section.users++;
          if (isNew) model.sections.push(section);
        }
      } else if (what < 5) {
        const count = 1 + random(3);
        const fits = model.fitsHandles(count);
        if (!fits && random(4) > 0) continue;
        sender.sendHandles(count);
        outcomes.push(fits ? 'handles' : 'handles too many');
        if (fits) await receive(undefined, count);
        else await until('it is dropped', () => ends.length === connection);
      } else if (what < 7 && model.held.length > 0) {
        const [{ message, section }] = model.held.splice(random(model.held.length), 1) as [Held];
        message.release();
        if (section !== undefined) section.users--;
      } else if (known.length > 0) {
        const section = known[random(known.length)]!;
        sender.forget(section);
        section.isForgotten = true;
        hand.send({ data: 'behind it' });
        await until('it has been read', () => came.length === 1);
        came.length = 0;
      }
      model.dropUnused();
      if (ends.length === connection) break;
      const { heldViews, mappedBytes, heldHandles } = ours.info();
      assert.deepEqual({ heldViews, mappedBytes, heldHandles }, model.figures);
    }
    const wasDropped = ends.length === connection;
    hand.close();
    await until('it has ended', () => ends.length === connection);
    assert.equal(ends.at(-1), wasDropped ? 'protocol' : 'died');
    for (const { message } of model.held) message.release();
    const { heldViews, mappedBytes, heldHandles } = ours.info();
    assert.deepEqual({ heldViews, mappedBytes, heldHandles }, { heldViews: 0, mappedBytes: 0, heldHandles: 0 });
  }
  const counts = tally(outcomes);
  t.diagnostic(JSON.stringify(counts));
  for (const outcome of ['a view', 'a view too many', 'handles', 'handles too many']) assert.ok(counts[outcome]! > 5, JSON.stringify(counts));
});
