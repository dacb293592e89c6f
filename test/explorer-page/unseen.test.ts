/** What could not be seen is said to be not visible, and is never shown as nothing; what is nothing is shown as nothing. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { pictureOf } from '../../explorer-page/logic/picture.js';
import { createPort } from '../../src/index.js';
import { serveExplorer } from '../../src/explorer/index.js';
import type { PortDetails } from '../../src/explorer/model.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { fact, noBrowser, picture, showProperties, shows, tab, withBrowser } from './browser.js';
import { type Fixture, readFixture, serveFixture } from './fixture-server.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

const NAME = '\\RPC Control\\spooler';
const NOT_VISIBLE = 'not visible';

/** The fixture, with this known of its port. */
async function openWith(t: TestContext, change: (port: PortDetails) => object): Promise<Page> {
  const changed = (fixture: Fixture): Fixture => ({ ...fixture, objects: { ...fixture.objects, [NAME]: { ...fixture.objects[NAME]!, port: change(fixture.objects[NAME]!.port!) as PortDetails } } });
  const server = await serveFixture({ interval: 100, change: changed });
  atEnd(t, () => server[Symbol.asyncDispose]());
  const { page } = await browser.open(t, server.link);
  await showProperties(page);
  return page;
}

/** What the Queues say, but for the backlog, which the kernel tells. */
async function tiles(page: Page): Promise<string[]> {
  await tab(page, 'Queues');
  return (await page.locator('.tiles dd').allInnerTexts()).slice(0, -1);
}

test('of a port with nothing but hidden connections no figure is a zero, and nobody says that nobody waits', { skip }, async (t) => {
  const page = await openWith(t, (port) => {
    const { latency: _, connectionQuota: __, ...rest } = port;
    const connections = port.connections.map(({ id, port: name, client, server }) => ({ id, port: name, client: { socket: client.socket, user: { id: 7 } }, server: { socket: server.socket, user: { id: 7 } } }));
    return { ...rest, connections, totals: { connections: 4, hidden: 4 }, waits: [] };
  });
  await shows(() => fact(page, 'Connections'), '4');
  await shows(() => tiles(page), Array.from({ length: 9 }, () => NOT_VISIBLE));
  assert.match(await page.getByRole('tabpanel').innerText(), /What is in these connections can't be looked at/);
  await picture(page, 'unseen-queues');
  assert.match(await tab(page, 'Waits'), /^No wait for a reply over this port can be seen\. Not all who are connected can be looked into/);
  assert.match(await tab(page, 'Connections'), /^4 connections, of 4 the memory can't be looked at/);
  await shows(async () => (await page.locator('.connections-lines').getByRole('gridcell').allInnerTexts()).slice(3, 6), [NOT_VISIBLE, NOT_VISIBLE, NOT_VISIBLE]);
});

test('of a port of which not even the connections can be seen none is counted', { skip }, async (t) => {
  const page = await openWith(t, ({ at, name }) => ({ at, name, state: 'unknown', connections: [], totals: {}, waits: [] }));
  await shows(() => fact(page, 'Connections'), NOT_VISIBLE);
  await shows(() => tiles(page), Array.from({ length: 9 }, () => NOT_VISIBLE));
  assert.match(await page.getByRole('tabpanel').innerText(), /No connection can be seen\./);
  assert.match(await tab(page, 'Waits'), /^No wait for a reply over this port can be seen/);
  assert.match(await tab(page, 'Connections'), /^Connections are not visible/);
});

test('of a port with some hidden connections it is said that the figures leave them out', { skip }, async (t) => {
  const page = await openWith(t, (port) => ({ ...port, waits: [] }));
  assert.match(await tab(page, 'Queues'), /What is in 1 of 4 connections can't be looked at, and is not counted here\./);
  assert.match(await tab(page, 'Waits'), /^No wait for a reply over this port can be seen/);
});

test('an idle port has no connections, no messages, and nobody who waits', { skip }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const server = await serveExplorer({ interval: 250, port: 0 });
  atEnd(t, () => server.close());
  const { page } = await browser.open(t, server.link);
  await showProperties(page);
  await shows(() => fact(page, 'Connections'), '0');
  assert.ok((await tiles(page)).every((text) => /^0\b/.test(text)));
  assert.match(await page.getByRole('tabpanel').innerText(), /No connection\./);
  assert.equal(await tab(page, 'Waits'), 'Nobody waits for a reply over this port.');
});

test('an edge of hidden connections alone has no rate, and one with some that can be seen has theirs', () => {
  const { graph } = readFixture();
  const { clientToServer: _, serverToClient: __, pendingRequests: ___, ...hidden } = graph.connections[0]!;
  const seen = { ...hidden, id: 'seen', since: graph.at, clientToServer: { messages: 10, bytes: 80 }, serverToClient: { messages: 10, bytes: 80 } };
  const take = (connections: typeof graph.connections): (number | undefined)[] => pictureOf({ ...graph, at: new Date(Date.parse(graph.at) + 1000).toISOString(), waits: [], cycles: [], connections }).edges.map(({ messagesPerSecond }) => messagesPerSecond);
  assert.deepEqual(take([hidden]), [undefined]);
  assert.deepEqual(take([hidden, seen, { ...hidden, id: 'another' }]), [20]);
});
