/** Processes that show the explorer what is not true: it is told as it is, or not at all, and never harms the rest. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { connectPort, createPort } from '../../src/index.js';
import { type ConnectionEnd, inspectGraph, inspectObject, inspectWaits } from '../../src/explorer/index.js';
import { takeSnapshot } from '../../src/explorer/snapshot.js';
import { findCircles, waitsOf } from '../../src/explorer/waits.js';
import { outboxInfo, readControlPage, readWaitPage, type WaitPageFacts } from '../../src/explorer/pages.js';
import { Control, MAGIC, PROTOCOL_VERSION } from '../../src/memory/layout.js';
import { Outbox } from '../../src/memory/outbox.js';
import { WaitPage } from '../../src/memory/wait-page.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createMemoryFile } from '../../src/platform/memory-file.js';
import { thisThread } from '../../src/ports/thread.js';
import { array, assert as assertProperty, boolean, integer, property } from 'fast-check';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News, Order } from './liar-actor.js';
import { startClient, startServer } from './scene.js';

withLedger();

const NAME = '\\RPC Control\\honest';
const LIARS = '\\RPC Control\\of a liar';
const PAGE = 4096;

function lie(t: TestContext): Outbox {
  const outbox = Outbox.create(thisThread().arena, `alpc:${NAME}`, PAGE, 0);
  atEnd(t, () => outbox.close());
  return outbox;
}

function looks(): void {
  const { port } = inspectObject(NAME);
  assert.equal(port!.connections.length, 1);
  assert.equal(port!.connections[0]!.client.outbox?.sent.messages, 0);
  assert.equal(port!.connections[0]!.problem, undefined);
  inspectGraph();
  inspectWaits();
}

async function scene(t: TestContext): Promise<void> {
  temporaryRoot(t);
  const port = await createPort(NAME);
  const client = await connectPort(NAME);
  atEnd(t, async () => {
    client.close();
    await port.close();
  });
}

test('a memory file with the name of a port and anything in it changes nothing of what is told of others', async (t) => {
  await scene(t);
  for (const size of [0, 1, 100, PAGE, 2 * PAGE]) {
    const fd = createMemoryFile(`alpc:${NAME}`, size); // not sealed
    atEnd(t, () => closeDescriptor(fd));
  }
  looks();
});

test('an outbox that is sealed as it must be, and holds nonsense, is not taken for one', async (t) => {
  await scene(t);
  for (const [word, value] of [[Control.magic, 7], [Control.version, 99], [Control.ringLength, 2 ** 30], [Control.ringLength, -1], [Control.role, 77], [Control.controlLength, -5]] as const) {
    const outbox = lie(t);
    outbox.words[word] = value;
  }
  looks();
});

for (const [how, order] of [['it made', 'publish'], ['the client has open, for it was sent there', 'pretend']] as const) {
  test(`figures of another's connection, in memory that ${how}, are not believed from a process that is at neither end`, async (t) => {
    temporaryRoot(t, { leftovers: true });
    const liar = startActor<Order, News>(t, new URL('./liar-actor.js', import.meta.url));
    await liar.ask({ type: 'serve', name: LIARS }, 'ready');
    const server = await startServer(t, NAME);
    const client = await startClient(t, LIARS);
    await client.ask({ type: 'connect', name: NAME, count: 1 }, 'ready');
    const looks = (): unknown => {
      const [connection] = inspectObject(NAME).port!.connections;
      const figures = ({ process: holder, outbox }: ConnectionEnd): unknown => [holder?.pid, outbox?.ownerPid, outbox?.sent, outbox?.pendingRequests];
      return [figures(connection!.client), figures(connection!.server), connection!.problem, inspectGraph().connections.find(({ port }) => port === NAME)];
    };
    const before = looks();
    const { socket } = inspectObject(NAME).port!.connections[0]!.client;
    const connection = outboxOf(client.pid);
    await liar.ask({ type: order, claim: { name: NAME, ownerPid: client.pid, socket } }, 'ready');
    assert.deepEqual(looks(), before, "the client's");
    await liar.ask({ type: order, claim: { name: NAME, ownerPid: server.pid, connection } }, 'ready');
    assert.deepEqual(looks(), before, "the server's");
  });
}

/** The number of the memory that the client's outbox to the honest server is, as its file says. */
function outboxOf(pid: number): number {
  const { connections } = takeSnapshot();
  return connections.find(({ port, client }) => port === NAME && client.process?.pid === pid)!.client.outbox!.file.inode;
}

test('whatever stands in a control page, what is told of it is bounded', () => {
  assertProperty(
    property(array(integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1024, maxLength: 1024 }), boolean(), (values, isProper) => {
      const words = Int32Array.from(values);
      if (isProper) words.set([MAGIC, PROTOCOL_VERSION, PAGE, PAGE, 1, 0]);
      const page = readControlPage(Buffer.from(words.buffer), 2 * PAGE);
      assert.equal(typeof page === 'string', !isProper);
      if (typeof page === 'string') return;
      const info = outboxInfo(page, page);
      const { unread, bytes } = info.ring;
      assert.ok(unread === undefined ? (page.tail - page.head) >>> 0 > bytes : unread >= 0 && unread <= bytes);
      for (const figure of [info.sent.messages, info.sent.bytes, info.pendingRequests, info.queuedMessages, info.views!.used]) assert.ok(Number.isSafeInteger(figure) && figure >= 0, String(figure));
    }),
  );
});

test('a page that is too short, or is no wait page, is none', () => {
  for (const length of [0, 8, 100, PAGE - 1]) {
    assert.equal(typeof readControlPage(Buffer.alloc(length), 2 * PAGE), 'string');
    assert.equal(readWaitPage(Buffer.alloc(length)), undefined);
  }
  assert.equal(readWaitPage(Buffer.alloc(PAGE)), undefined);
});

test('a thread that says it waits for itself, or for one that is not there, is told and followed no further', async (t) => {
  await scene(t);
  const { arena } = thisThread();
  const page = new WaitPage(arena, 4711);
  atEnd(t, () => page.close());
  page.publish(999_999_999, 888_888_888, 1);
  assert.deepEqual(inspectWaits().waits.filter(({ thread }) => thread.tid === 4711), [], 'of a connection that is not of this namespace');
  page.publish(page.inode, 888_888_888, 1);
  assert.deepEqual(inspectWaits().cycles, []);
});

test('a page that somebody was sent draws no arrow of a circle, only one that its process made', async (t) => {
  await scene(t);
  const pages = [4711, 4712].map((tid) => new WaitPage(thisThread().arena, tid));
  const connection = outboxOf(process.pid);
  for (const [i, page] of pages.entries()) page.publish(pages[1 - i]!.inode, connection, 1);
  assert.equal(inspectWaits().cycles.length, 1, 'its own threads');
  for (const page of pages) {
    const copy = openSync(`/proc/self/fd/${page.fd}`, 'r');
    atEnd(t, () => closeSync(copy));
    page.close(); // its mapping is gone, and the file is open all the same
  }
  assert.equal(inspectWaits().waits.length, 2);
  assert.deepEqual(inspectWaits().cycles, []);
});

test('a thread of a circle that is woken for nothing and waits again, for the same, is of it; one that waits for something else, or no more, is not', async (t) => {
  await scene(t);
  const [a, b] = [4711, 4712].map((tid) => new WaitPage(thisThread().arena, tid)) as [WaitPage, WaitPage];
  atEnd(t, () => [a, b].forEach((page) => page.close()));
  const connection = outboxOf(process.pid);
  const found = (since: () => void): number => {
    a.publish(b.inode, connection, 1);
    b.publish(a.inode, connection, 1);
    const snapshot = takeSnapshot();
    since();
    const { cycles } = waitsOf(snapshot);
    for (const page of [a, b]) if ((readPage(page).sequence & 1) === 1) page.withdraw();
    return cycles.length;
  };
  const again = (messageId: number) => (): void => {
    a.withdraw();
    a.publish(b.inode, connection, messageId);
  };
  assert.deepEqual([found(() => undefined), found(again(1)), found(again(2)), found(() => a.withdraw())], [1, 1, 0, 0]);
});

test('circles are found wherever they begin, and ways into them are not of them', () => {
  const circles = (edges: [string, string][]): string[][] => findCircles(new Map(edges)).map((circle) => circle.toSorted());
  assert.deepEqual(circles([]), []);
  assert.deepEqual(circles([['a', 'b'], ['b', 'c']]), []);
  assert.deepEqual(circles([['a', 'a']]), [['a']]);
  assert.deepEqual(circles([['x', 'a'], ['a', 'b'], ['b', 'a'], ['y', 'x']]), [['a', 'b']]);
  assert.deepEqual(circles([['a', 'b'], ['b', 'a'], ['c', 'd'], ['d', 'e'], ['e', 'c'], ['z', 'e']]), [['a', 'b'], ['c', 'd', 'e']]);
});

test('a wait page is read as it was written', (t) => {
  const page = new WaitPage(thisThread().arena, 4711);
  atEnd(t, () => page.close());
  page.publish(5 * 2 ** 32 + 6, 7 * 2 ** 32 + 8, 9);
  const read = readPage(page);
  assert.deepEqual([read.ownerPid, read.tid, read.sequence, read.on, read.connection, read.messageId], [process.pid, 4711, 1, 5 * 2 ** 32 + 6, 7 * 2 ** 32 + 8, 9]);
  assert.ok(Math.abs(read.since.getTime() - Date.now()) < 60_000);
});

function readPage(page: WaitPage): WaitPageFacts {
  const bytes = Buffer.alloc(PAGE);
  readSync(page.fd, bytes, 0, PAGE, 0);
  return readWaitPage(bytes)!;
}
