/** A process that writes where it must not; arena.test.ts sees how it ends. */
import { Arena } from '../../src/platform/arena.js';
import { pageSize } from '../../src/platform/descriptors.js';
import { createMemoryFile } from '../../src/platform/memory-file.js';
import { obey, tell } from '../support/actor.js';

export type Order = { type: 'scribble'; how: 'read-only' | 'given-back' };
export type News = { type: 'about-to'; sees: number };

obey<Order>({
  scribble: ({ how }) => {
    const arena = new Arena();
    const fd = createMemoryFile('alpc:arena', pageSize());
    const whole = [{ offset: 0, length: pageSize() }];
    const writer = arena.map(fd, whole, true);
    new Uint8Array(writer.buffer, writer.offset)[0] = 7;
    const slot = how === 'read-only' ? arena.map(fd, whole, false) : writer;
    if (how === 'given-back') arena.unmap(slot);
    const bytes = new Uint8Array(slot.buffer, slot.offset, slot.length);
    tell<News>({ type: 'about-to', sees: bytes[0]! });
    setTimeout(() => (bytes[0] = 1), 20);
  },
});
