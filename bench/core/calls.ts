/**
 * Calls that await their answer: which promise belongs to which id. For transports that carry several calls at once, and have
 * no notion of a call themselves.
 */
export class Calls {
  readonly #waiting = new Map<number, (answer: Uint8Array) => void>();
  #lastId = 0;

  /** Sends with a fresh id (1 to 2^31 - 1; 0 is left for what is one-way) and waits for `settle` with the same. */
  make(send: (id: number) => void): Promise<Uint8Array> {
    return new Promise((resolve) => {
      this.#lastId = (this.#lastId & 0x3fffffff) + 1;
      this.#waiting.set(this.#lastId, resolve);
      send(this.#lastId);
    });
  }

  settle(id: number, answer: Uint8Array): void {
    const resolve = this.#waiting.get(id);
    if (resolve === undefined) throw new Error(`an answer to call ${id}, which nobody makes`);
    this.#waiting.delete(id);
    resolve(answer);
  }
}

/** The count that a receiver answers with, checked against what was sent. */
export function checkCount(counted: number, sent: number): void {
  if (counted !== sent) throw new Error(`the receiver counted ${counted} of ${sent} messages`);
}

/** A count as four bytes, and back. */
export function countBytes(count: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(count);
  return bytes;
}

export function readCount(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32LE();
}
