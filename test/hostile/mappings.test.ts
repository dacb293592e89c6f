/**
 * Mappings of outboxes under every misuse of those who hold them: closed in the middle of a record, closed twice, used afterwards. It
 * ends in an answer or an error of JavaScript's, never in a signal, and the process has as many mappings as before.
 *
 * In the long form (`npm run test:long`) a hundred thousand cycles.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SlabCopies } from '../../src/memory/copies.js';
import { Control } from '../../src/memory/layout.js';
import { Link } from '../../src/memory/link.js';
import { Outbox } from '../../src/memory/outbox.js';
import { duplicateDescriptor } from '../../src/platform/descriptors.js';
import { thisThread } from '../../src/ports/thread.js';
import { randomFrom } from '../memory/support.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { PAGE } from './peer.js';
import { HandFile } from './raw.js';

withLedger();

const CYCLES = times(1500, 100_000);
const SECRET = 0x5ec2e7;

const maps = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;

test('10: outboxes are closed in the middle of anything, again and again, and used afterwards: nothing of another is seen or touched, and no mapping stays', () => {
  const { arena } = thisThread();
  const random = randomFrom(10);
  const copies = new SlabCopies();
  const closed: Link[] = [];
  /** Everything that can be done with a link, in any order. */
  const acts: ((link: Link) => unknown)[] = [
    (link) => link.reader.hasData(),
    (link) => link.reader.next(),
    (link) => link.reader.copyData(copies),
    (link) => link.release(),
    (link) => link.send(3, 1, 0, 0, 'text', 4),
    (link) => link.send(3, 1, 0, 0, Buffer.alloc(600), 600),
    (link) => link.writer.retract(0, 1),
    (link) => link.writer.isDrained,
    (link) => link.armForData() || link.armForSpace(10),
    (link) => [link.disarm(), link.disarmForSpace()],
    (link) => Atomics.load(link.peer.words, Control.tail),
    (link) => [link.own.close(), link.peer.close(), link.close()],
  ];
  const cycle = (): void => {
    const theirs = HandFile.make(2 * PAGE, { name: 'alpc:theirs' });
    theirs.words.fill(SECRET, PAGE / 4);
    theirs.words.set([40, 3, 0, 0, 0, 1, 0, 0], PAGE / 4);
    theirs.words[Control.tail] = 40;
    const link = new Link(Outbox.create(arena, 'alpc:ours', PAGE, 0), Outbox.open(arena, duplicateDescriptor(theirs.fd), PAGE), -1, 65_535);
    if (random(2) === 0) link.reader.next();
    link.close();
    // The slots are this one's by now; those that were closed must not see it.
    const next = new Link(Outbox.create(arena, 'alpc:ours', PAGE, 0), Outbox.open(arena, duplicateDescriptor(theirs.fd), PAGE), -1, 65_535);
    closed.push(link);
    if (closed.length > 20) closed.shift();
    for (let i = 0; i < 10; i++) {
      const stale = closed[random(closed.length)]!;
      const act = acts[random(acts.length)]!;
      const answer = act(stale);
      assert.ok(answer !== SECRET);
      assert.equal(stale.reader.dataLength, 0);
      assert.equal(stale.peer.words.includes(SECRET), false);
    }
    assert.deepEqual([next.own.words[Control.tail], next.own.words[PAGE / 4]], [0, 0], 'nobody wrote here');
    assert.equal(next.reader.next() && next.reader.dataLength, 8);
    next.close();
    theirs.close();
  };
  for (let i = 0; i < 100; i++) cycle();
  const before = maps();
  const inUse = arena.inUse;
  for (let i = 0; i < CYCLES; i++) cycle();
  assert.equal(arena.inUse, inUse);
  // The mappings of the peer by hand are covered and not unmapped; they are merged by the kernel, more or less.
  assert.ok(maps() - before < 50, `${before} mappings, then ${maps()}`);
});
