/** A handler of alpc's thread pool. */
import type { Packet } from '../../src/index.js';
import { hash } from './hash.js';

export default function handle(packet: Packet): void {
  if (packet.type === 'request') packet.reply(hash(packet.data));
}
