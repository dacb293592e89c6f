/**
 * The work of the scenario 'hash': a hash of 20 KiB that takes about a quarter of a millisecond, so that a request is work for a processor and
 * what carries it is not the most of it. The processors' instructions for SHA-256 would make it a matter of microseconds; SHA-3 has none.
 */
import { createHash } from 'node:crypto';

export const HASHED_BYTES = 20 * 1024;
const TIMES = 3;

export function hash(data: Uint8Array): Buffer {
  const hasher = createHash('sha3-512');
  for (let i = 0; i < TIMES; i++) hasher.update(data);
  return hasher.digest();
}
