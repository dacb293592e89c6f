/**
 * Numbers for made-up cases, and what is done to good bytes to make bad ones. A case is a function of its seed and its number
 * alone: the two that a failure tells bring it back.
 */

/** Words that are near some boundary: of lengths, of signs, of what fits. */
const WILD = [0, 1, 2, 3, 4, 7, 8, 9, 12, 13, 31, 32, 33, 40, 63, 64, 255, 256, 257, 4064, 4088, 4095, 4096, 4097, 65_503, 65_504, 65_535, 65_536, 2 ** 24, 2 ** 26, 2 ** 26 + 1, 2 ** 27, 2 ** 30, 2 ** 31 - 8, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 4096, 2 ** 32 - 32, 2 ** 32 - 8, 2 ** 32 - 1];

export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 1;

  constructor(seed: number, number: number) {
    this.begin(seed, number);
  }

  /** From the beginning of another case. */
  begin(seed: number, number: number): void {
    this.#a = seed | 0;
    this.#b = number | 0;
    this.#c = (number / 2 ** 32) | 0;
    this.#d = 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** 0 to 2^32 - 1: Chris Doty-Humphrey's sfc32. */
  next(): number {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  oneIn(count: number): boolean {
    return this.next() % count === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!;
  }

  wild(): number {
    return this.oneIn(3) ? this.next() : this.pick(WILD);
  }
}

/** Does something to bytes in place; only `shorten` and `lengthen` give others. `words` are offsets of 32-bit words that mean something. */
export function mutate(random: Random, bytes: Buffer, words: readonly number[]): Buffer {
  const at = random.pick(words);
  if (at + 4 > bytes.length) return lengthen(random, bytes);
  switch (random.below(10)) {
    case 0: // a bit
      bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ (1 << random.below(32))) >>> 0, at);
      return bytes;
    case 1: // one more, one less
      bytes.writeInt32LE((bytes.readInt32LE(at) + (random.oneIn(2) ? 1 : -1)) | 0, at);
      return bytes;
    case 2: // a little more, a little less
      bytes.writeInt32LE((bytes.readInt32LE(at) + random.below(65) - 32) | 0, at);
      return bytes;
    case 3: // a huge count, or something else by a boundary
    case 4:
      bytes.writeUInt32LE(random.wild(), at);
      return bytes;
    case 5: // the wrong byte order
      bytes.writeUInt32BE(bytes.readUInt32LE(at), at);
      return bytes;
    case 6: // a word of another place
      bytes.writeUInt32LE(bytes.readUInt32LE(Math.min(random.pick(words), bytes.length - 4)), at);
      return bytes;
    case 7: // any byte
      bytes[random.below(bytes.length)] = random.next();
      return bytes;
    case 8:
      return bytes.subarray(0, random.oneIn(2) ? random.below(bytes.length + 1) : Math.max(0, bytes.length - 1 - random.below(9)));
    default:
      return lengthen(random, bytes);
  }
}

function lengthen(random: Random, bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1 + random.below(random.oneIn(4) ? 100 : 9), random.next())]);
}
