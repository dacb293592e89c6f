/**
 * What a peer does with views and handles, step by step: cases that begin as somebody would who keeps to the rules, a section
 * announced with its descriptor, views of its regions, handles, releases; and then have a word, an order or a number changed. So what lies behind the
 * first check is reached too.
 *
 * Packets of descriptors are numbered within the case, from 1: where a connection stands is added when the case is run.
 */
import { ATTRIBUTE, ATTRIBUTE_LENGTHS, PAGE, RECORD_TYPE, RETRACTED } from '../peer.js';
import type { Random } from './random.js';

/** How many the receiver takes. */
export const LIMITS = { views: 4, sections: 3, sectionBytes: 12 * PAGE, handles: 6 } as const;
export const HANDLE_KIND = { file: 1, socket: 4, event: 7 } as const;
export const FLAG = { secure: 1, writable: 2 } as const;

/** Descriptors that are there to be sent, and what the kernel says of each. Memory is filled with its place in this list, and one. */
export const FILES = [
  { type: 'file', seals: 1 | 2 | 4 | 16, size: PAGE },
  { type: 'file', seals: 1 | 2 | 4 | 16, size: 2 * PAGE },
  { type: 'file', seals: 1 | 2 | 4, size: PAGE },
  { type: 'file', seals: 1 | 2 | 4 | 8, size: PAGE },
  { type: 'file', seals: 1 | 2 | 4 | 16, size: 8 * PAGE },
  { type: 'file', seals: 1 | 2 | 4 | 8, size: 2 * PAGE },
  { type: 'file', seals: 0, size: PAGE },
  { type: 'file', seals: undefined, size: PAGE }, // of a file system
  { type: 'fifo', seals: undefined, size: 0 },
  { type: 'socket', seals: undefined, size: 0 },
] as const;

export type Step =
  /** A packet: its words, and which files go with it. */
  | ['packet', words: number[], files: number[]]
  /** A record; `words` are those of its attributes, one attribute behind the other. */
  | ['record', type: number, messageId: number, callbackId: number, attributes: number, words: number[], length: number]
  /** The receiver reads what is there. */
  | ['read']
  /** It releases one of the messages that it holds, and says so so many times. */
  | ['release', which: number, times: number]
  /** It takes the first handle of one. */
  | ['take', which: number]
  /** It sends the peer a view. */
  | ['send']
  /** The peer releases views that it was sent: by their places; a number beyond stands for itself. The count moves on by so many more than there are. */
  | ['free', which: number[], more: number];

export const VIEW_WORDS = ATTRIBUTE_LENGTHS.view / 4;

/** Where an attribute's words begin, as the bits say; -1 when they do not name it. */
export function placeOf(name: keyof typeof ATTRIBUTE, attributes: number): number {
  let at = 0;
  for (const [other, bit] of Object.entries(ATTRIBUTE)) {
    if (other === name) return (attributes & bit) === 0 ? -1 : at;
    if ((attributes & bit) !== 0) at += ATTRIBUTE_LENGTHS[other as keyof typeof ATTRIBUTE] / 4;
  }
  return -1;
}

/** A section as its owner knows it. */
interface Made {
  readonly id: number;
  readonly packet: number;
  readonly flags: number;
  readonly size: number;
}

class Author {
  readonly steps: Step[] = [];
  readonly #random: Random;
  readonly #sections: Made[] = [];
  #packets = 0;
  #views = 0;
  #held = 0;
  /** Views that the peer was sent. */
  #out = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  write(): void {
    const random = this.#random;
    switch (random.below(14)) {
      case 4:
      case 5:
        return this.#handles(0, []);
      case 6:
        return void this.steps.push(['read']);
      case 7:
        if (this.#held > 0) this.#held--;
        return void this.steps.push(['read'], ['release', random.below(4), random.oneIn(8) ? 2 : 1]);
      case 8:
        return void this.steps.push(['read'], ['take', random.below(4)]);
      case 9:
        this.#out = Math.min(3, this.#out + 1); // which is what it takes
        return void this.steps.push(['send']);
      case 10:
        return this.#free();
      case 11:
        return this.#forget();
      default:
        return this.#message();
    }
  }

  /** The peer releases some of what it has, the last first or the first. */
  #free(): void {
    const random = this.#random;
    const count = Math.min(this.#out, 1 + random.below(3));
    if (count === 0) return void this.steps.push(['send'], ['free', [0], 0]);
    const places = Array.from({ length: this.#out }, (_, place) => place);
    this.steps.push(['free', random.oneIn(2) ? places.slice(0, count) : places.toReversed().slice(0, count), 0]);
    this.#out -= count;
  }

  /** A message with a view, of a section that is known or of a new one; at times with handles too. */
  #message(): void {
    const random = this.#random;
    if (this.#held === LIMITS.views && !random.oneIn(10)) {
      this.steps.push(['read'], ['release', 0, 1]);
      this.#held--;
    }
    const known = this.#sections.filter(({ flags }) => (flags & FLAG.secure) === 0);
    const isNew = known.length === 0 || (this.#sections.length < LIMITS.sections && random.oneIn(3));
    const section = isNew ? this.#announce() : random.pick(known);
    const offset = 8 * random.below(section.size / 16);
    const length = random.oneIn(3) ? section.size - offset : 1 + random.below(section.size - offset);
    this.#held++;
    const words = [section.flags, section.id, section.packet, ++this.#views, offset, 0, length, 0, section.size, 0];
    if ((section.flags & FLAG.secure) !== 0) this.#sections.splice(this.#sections.indexOf(section), 1);
    if (random.oneIn(5)) return this.#handles(ATTRIBUTE.view, words);
    this.#record(ATTRIBUTE.view, words);
  }

  #announce(): Made {
    const random = this.#random;
    const file = random.pick([0, 0, 1, 2, 3, 4, 5]);
    const { seals, size } = FILES[file]!;
    this.steps.push(['packet', [4, ++this.#packets, 1, 0], [file]]);
    const flags = seals === FILES[3].seals ? FLAG.secure : seals === FILES[2].seals ? FLAG.writable : 0;
    const made = { id: this.#packets + 100, packet: this.#packets, flags, size };
    this.#sections.push(made);
    return made;
  }

  /** Handles, ahead of the view if there is one. */
  #handles(attributes: number, words: number[]): void {
    const random = this.#random;
    const files = Array.from({ length: 1 + random.below(3) }, () => random.pick([0, 6, 7, 8, 9]));
    const kinds = files.map((file) => ({ file: HANDLE_KIND.file, fifo: HANDLE_KIND.event, socket: HANDLE_KIND.socket })[FILES[file]!.type]);
    this.steps.push(['packet', [4, ++this.#packets, files.length, 1, ...kinds], files]);
    const block = [this.#packets, files.length];
    // In the order of the table: the view stands before the handles.
    this.#record(attributes | ATTRIBUTE.handle, placeOf('view', attributes | ATTRIBUTE.handle) === 0 ? [...words, ...block] : [...block, ...words]);
  }

  #record(attributes: number, words: number[]): void {
    const random = this.#random;
    const type = random.pick([RECORD_TYPE.datagram, RECORD_TYPE.datagram, RECORD_TYPE.datagram, RECORD_TYPE.request, RECORD_TYPE.request | RETRACTED, RECORD_TYPE.reply]);
    this.steps.push(['record', type, 1 + random.below(9), 0, attributes, words, random.oneIn(3) ? 0 : random.below(30)]);
  }

  /** The owner closes a section, or gives up a message with handles. */
  #forget(): void {
    const random = this.#random;
    const section = this.#sections.shift();
    if (section !== undefined && !random.oneIn(4)) return void this.steps.push(['record', RECORD_TYPE.forget, section.id, section.packet, 0, [], 0]);
    if (section !== undefined) this.#sections.unshift(section);
    this.steps.push(['packet', [4, ++this.#packets, 1, 1, HANDLE_KIND.file], [7]], ['record', RECORD_TYPE.forget, 0, this.#packets, 0, [], 0]);
  }
}

/** A case: most of them with something wrong. */
export function makeSteps(random: Random): Step[] {
  const author = new Author(random);
  for (let count = 1 + random.below(random.oneIn(3) ? 14 : 6); count > 0; count--) author.write();
  const { steps } = author;
  for (let times = random.pick([0, 0, 1, 1, 1, 1, 2, 3]); times > 0; times--) change(random, steps);
  return steps.slice(0, 32);
}

/** One thing is otherwise: a word, the order, a step that is missing or comes twice. */
function change(random: Random, steps: Step[]): void {
  const at = random.below(steps.length);
  const step = steps[at];
  if (step === undefined) return;
  switch (random.below(8)) {
    case 0: {
      const other = random.below(steps.length);
      [steps[at], steps[other]] = [steps[other]!, step];
      return;
    }
    case 1:
      steps.splice(random.below(steps.length + 1), 0, structuredClone(step));
      return;
    case 2:
      steps.splice(at, 1);
      return;
    default:
      changeWords(random, step);
  }
}

function changeWords(random: Random, step: Step): void {
  const word = (value: number): number => {
    switch (random.below(5)) {
      case 0:
        return value ^ (1 << random.below(32));
      case 1:
        return (value + (random.oneIn(2) ? 1 : -1)) | 0;
      case 2:
        return (value + 8 * (random.below(17) - 8)) | 0;
      case 3:
        return random.below(8);
      default:
        return random.wild() | 0;
    }
  };
  if (step[0] === 'packet') {
    const [, words, files] = step;
    if (random.oneIn(3)) files[random.below(files.length)] = random.below(FILES.length);
    else if (random.oneIn(4)) files.push(random.below(FILES.length));
    else if (random.oneIn(6)) words.pop();
    else words[random.below(words.length)] = word(words[0]!);
  } else if (step[0] === 'record') {
    const [, , , , , words] = step;
    const place = random.below(words.length + (random.oneIn(3) ? 4 : 0));
    if (place < words.length) words[place] = word(words[place]!);
    else if (random.oneIn(3)) words.pop();
    else {
      const field = 1 + random.below(4);
      step[field as 1] = field === 1 && random.oneIn(2) ? random.pick(Object.values(RECORD_TYPE)) : field === 4 && random.oneIn(2) ? step[4] ^ random.pick(Object.values(ATTRIBUTE)) : word(step[field as 1]);
    }
  } else if (step[0] === 'free') {
    if (random.oneIn(3)) step[2] = word(0);
    else step[1].push(random.oneIn(2) ? random.below(4) : random.wild() | 0);
  }
}
