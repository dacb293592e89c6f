/** A task of piscina's. */
import { hash } from './hash.js';

export default function task(data: Uint8Array): Uint8Array {
  return hash(data);
}
