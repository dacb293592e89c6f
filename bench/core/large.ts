/** What is sent in the scenario of many bytes, and how a receiver reads every one of them. */
export const MiB = 2 ** 20;
export const LARGE = 256 * MiB;

/** Fills a message, and makes it differ from the one before. */
export function fill(bytes: Buffer, number: number): void {
  bytes.fill(1 + (number % 100));
}

/** Looks at every byte: a search for one that is not there. */
export function readAll(bytes: Uint8Array): void {
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(0) >= 0) throw new Error('a byte came that was not sent');
}
