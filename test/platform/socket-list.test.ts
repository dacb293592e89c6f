/** The kernel's list of sockets, while others open and close theirs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type OpenDescriptor, openDescriptors } from '../../src/platform/processes.js';
import { listSockets } from '../../src/platform/socket-list.js';
import { connectPort, createPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';

const CONNECTIONS = 100;
const LISTS = 1000;

/** A thread that opens and closes sockets as fast as it can. */
const COMING_AND_GOING = `
  const { connect, createServer } = require('node:net');
  const address = '\\0alpc-test-' + process.pid;
  const open = [];
  createServer(() => {}).listen(address, () => setInterval(() => {
    for (let i = 0; i < 20; i++) open.push(connect(address).on('error', () => {}));
    while (open.length > 100) open.shift().destroy();
  }, 1));
  require('node:worker_threads').parentPort.postMessage('ready');
`;

test('a socket that stays is in every list, whatever others open and close meanwhile', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const port = await createPort('\\stays');
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectPort('\\stays')));
  atEnd(t, async () => {
    for (const client of clients) client.close();
    await port[Symbol.asyncDispose]();
  });
  const open = new Set((openDescriptors(process.pid) as OpenDescriptor[]).map(({ target }) => target));
  const stay = listSockets()!.map(({ inode }) => inode).filter((inode) => open.has(`socket:[${inode}]`));
  assert.ok(stay.length > 2 * CONNECTIONS, `${stay.length} sockets`);
  const others = new Worker(COMING_AND_GOING, { eval: true });
  atEnd(t, () => others.terminate());
  await once(others, 'message');
  for (let i = 0; i < LISTS; i++) {
    const seen = new Set(listSockets()!.map(({ inode }) => inode));
    assert.deepEqual(stay.filter((inode) => !seen.has(inode)), [], `list ${i} of ${LISTS}`);
  }
});
