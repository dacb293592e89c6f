/**
 * The work of the scenario 'hash': hashes of 20 KiB. The processors' instructions for SHA-256 would make it a matter of microseconds; SHA-3
 * has none. The first byte says how often the data go through it: each pass is about a tenth of a millisecond.
 */
import { createHash } from 'node:crypto';

export const HASHED_BYTES = 20 * 1024;

/** @param data its first byte is the number of passes */
export function hash(data: Uint8Array): Buffer {
  const hasher = createHash('sha3-512');
  for (let pass = data[0]!; pass > 0; pass--) hasher.update(data);
  return hasher.digest();
}
