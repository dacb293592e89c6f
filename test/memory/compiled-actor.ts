/** What is compiled for the test that reads machine code: a ring and a bell of the library's, used until V8 has compiled them in full. */
import { MAX_MESSAGE_LENGTH, RecordType } from '../../src/memory/layout.js';
import { Link } from '../../src/memory/link.js';
import { Outbox } from '../../src/memory/outbox.js';
import { duplicateDescriptor, pageSize } from '../../src/platform/descriptors.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { thisThread } from '../../src/ports/thread.js';

const { arena } = thisThread();
const [mine, theirs] = ([0, 1] as const).map((role) => Outbox.create(arena, 'alpc:compiled', pageSize(), role)) as [Outbox, Outbox];
const open = (outbox: Outbox): Outbox => Outbox.open(arena, duplicateDescriptor(outbox.fd), pageSize());
const [from, to] = createSocketPair();
const [a, b] = [new Link(mine, open(theirs), from, MAX_MESSAGE_LENGTH), new Link(theirs, open(mine), to, MAX_MESSAGE_LENGTH)];
for (let i = 0; i < 400_000; i++) {
  a.send(RecordType.datagram, i, 0, 0, 'x', 1);
  if (b.reader.next()) b.release();
  if (b.armForData()) b.disarm();
}
