/** The page in a real browser, on a namespace of real objects: the tree, the list, the search, the keys, what comes and goes, what is remembered. */
import assert from 'node:assert/strict';
import { linkSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type ConnectionPort, createDirectory, createEvent, createNamedSection, createPort, createSymbolicLink, removeObject } from '../../src/index.js';
import { type ExplorerServer, serveExplorer } from '../../src/explorer/index.js';
import { until } from '../explorer/scene.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { branch, isLive, line, names, noBrowser, openAnew, shows, tells, withBrowser } from './browser.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

async function serve(t: TestContext, port = 0): Promise<ExplorerServer> {
  const server = await serveExplorer({ interval: 250, port });
  atEnd(t, () => server.close());
  return server;
}

async function port(t: TestContext, name: string): Promise<ConnectionPort> {
  const made = await createPort(name);
  atEnd(t, () => made.close());
  return made;
}

/** Ports, links, an event and a section, in two directories. */
async function populate(t: TestContext): Promise<void> {
  temporaryRoot(t, { leftovers: true });
  await port(t, '\\RPC Control\\spooler');
  await port(t, '\\RPC Control\\audio');
  await port(t, '\\BaseNamedObjects\\helper');
  createSymbolicLink('\\RPC Control\\printer', 'spooler');
  createSymbolicLink('\\RPC Control\\lost', 'nowhere');
  createDirectory('\\RPC Control\\inner');
  const event = createEvent('\\BaseNamedObjects\\Ready');
  const section = createNamedSection('\\BaseNamedObjects\\Frames', 1 << 16);
  atEnd(t, () => [event, section].forEach((each) => each.close()));
}

/** All of them look at the same objects, in one page. */
test('of objects that stay as they are', { skip }, async (t) => {
  await populate(t);
  const server = await serve(t);
  const { page } = await browser.open(t, server.link);

  await t.test('who has no token is told to open the link, and the token is not seen in the address', async (each) => {
    assert.ok(!page.url().includes(server.token), page.url());
    const { page: stranger } = await browser.open(each, `http://127.0.0.1:${server.port}/`, { isRefused: true });
    await stranger.getByText('This page needs its link').waitFor();
  });

  await t.test('the tree has the directories alone, the list what stands in one: name, type, link target, and a gear for each port', async () => {
    await openAnew(page);
    await shows(() => page.getByRole('treeitem').allTextContents(), ['\\', 'BaseNamedObjects', 'Callback', 'RPC Control', 'Sessions']);
    await branch(page, 'RPC Control').click();
    await line(page, 'spooler').waitFor();
    const lines = page.locator('.line:not(.group)');
    await shows(() => lines.getByRole('gridcell').allTextContents(), [
      'inner', 'Directory', '', 'lost', 'SymbolicLink', 'nowhere (leads nowhere)', 'printer', 'SymbolicLink', 'spooler', 'audio', 'ALPC Port', '', 'spooler', 'ALPC Port', '',
    ]);
    await shows(async () => Promise.all((await lines.locator('use').all()).map((mark) => mark.getAttribute('href'))), ['#icon-directory', '#icon-symboliclink', '#icon-symboliclink', '#icon-alpc-port', '#icon-alpc-port']);
    const gear = (await line(page, 'spooler').locator('.icon').boundingBox())!;
    assert.ok(gear.width >= 12 && gear.height >= 12, 'the gear is drawn');
    await shows(() => page.locator('.line.group').allTextContents(), ['Directory1', 'SymbolicLink2', 'ALPC Port2']);
    await tells(() => page.locator('.status').innerText(), /^\\RPC Control\s*5 objects\s*12 in all, 3 ports/);
  });

  await t.test('a column sorts, and sorts the other way; without groups the types are mixed', async () => {
    await openAnew(page);
    await branch(page, 'RPC Control').click();
    await page.getByRole('button', { name: 'Group by type' }).click();
    await shows(() => names(page), ['audio', 'inner', 'lost', 'printer', 'spooler']);
    await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click();
    await shows(() => names(page), ['spooler', 'printer', 'lost', 'inner', 'audio']);
    await page.getByRole('columnheader', { name: 'Type' }).getByRole('button').click();
    await shows(() => names(page), ['audio', 'spooler', 'inner', 'lost', 'printer']);
    await shows(() => page.getByRole('columnheader', { name: 'Type' }).getAttribute('aria-sort'), 'ascending');
  });

  await t.test('the search finds names in the whole tree, narrows by type, and its results lead there', async () => {
    await openAnew(page);
    await page.keyboard.press('Control+f');
    await page.keyboard.type('r');
    await page.locator('.line mark').first().waitFor();
    await shows(async () => (await names(page)).toSorted(), ['Frames', 'RPC Control', 'Ready', 'helper', 'inner', 'printer', 'spooler']);
    await page.getByLabel('Search by type').selectOption('ALPC Port');
    await shows(() => names(page), ['helper', 'spooler']);
    await page.getByLabel('Search the whole tree by name').fill('');
    await shows(() => names(page), ['audio', 'helper', 'spooler']);
    await line(page, 'helper').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Show where it stands' }).click();
    await shows(async () => [await page.locator('.status-path').textContent(), await names(page)], ['\\BaseNamedObjects\\helper', ['helper', 'Ready', 'Frames']]);
  });

  await t.test('Enter goes into a directory, to the target of a link and to the properties of a port; Backspace goes up', async () => {
    await openAnew(page);
    const at = (): Promise<string | null> => page.locator('.status-path').textContent();
    await page.locator('#objects').focus();
    for (const key of ['r', 'p']) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    await line(page, 'printer').waitFor();
    await page.keyboard.press('p');
    await shows(at, '\\RPC Control\\printer');
    await page.keyboard.press('Enter');
    await shows(at, '\\RPC Control\\spooler');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('Processes that have it open').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('ArrowUp');
    await shows(at, '\\RPC Control\\audio', 'the list has the focus again');
    await page.keyboard.press('Backspace');
    await shows(async () => [await at(), await page.locator('.tree-row.chosen').textContent()], ['\\RPC Control', '\\']);
    await page.keyboard.press('Backspace');
    await shows(() => page.locator('.tree-row.chosen').textContent(), '\\', 'there is nothing above the root');
    await page.goBack();
    await line(page, 'spooler').waitFor();
  });

  await t.test('a key pressed right after the one that closed a dialog is for the page behind it', async () => {
    await openAnew(page);
    const at = () => page.locator('.status-path').textContent();
    await branch(page, 'RPC Control').click();
    await line(page, 'spooler').click();
    await page.locator('#objects').focus();
    const inOneTask = `(async () => { const drawn = async () => { for (let turn = 0; turn < 10; turn++) await undefined; };
      const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));`;
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('Processes that have it open').waitFor();
    await page.evaluate(`${inOneTask} document.querySelector('dialog .tool').click(); press('ArrowUp'); await drawn(); press('Enter'); })()`);
    await page.getByRole('dialog', { name: 'audio' }).getByText('Processes that have it open').waitFor();
    await page.evaluate(`${inOneTask} document.querySelector('dialog').dispatchEvent(new Event('cancel', { cancelable: true })); press('Backspace'); })()`);
    await shows(async () => [await at(), await page.locator('dialog').count()], ['\\RPC Control', 0]);
  });

  await t.test('the arrows lead through the tree, open and close it', async () => {
    await openAnew(page);
    await page.locator('#tree').focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    await shows(() => page.locator('.tree-row.chosen').textContent(), 'inner');
    for (const key of ['ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
    await shows(async () => [await page.locator('.tree-row.chosen').textContent(), await branch(page, 'inner').count()], ['RPC Control', 0]);
  });

  await t.test('F5 asks for the whole tree once more, and Ctrl+F leads to the search', async () => {
    await openAnew(page);
    const asked = page.waitForRequest(/\/api\/tree$/);
    await page.keyboard.press('F5');
    await asked;
    await page.getByText('Refreshed.').waitFor();
    await page.keyboard.press('Control+f');
    await shows(() => page.locator(':focus').getAttribute('id'), 'search');
  });

  await t.test('a name is copied, alone and in full', async () => {
    await openAnew(page);
    await branch(page, 'RPC Control').click();
    await line(page, 'audio').click();
    await page.locator('#objects').focus();
    for (const [keys, text] of [['Control+c', 'audio'], ['Control+Shift+c', '\\RPC Control\\audio']] as const) {
      await page.keyboard.press(keys);
      await page.getByText(`Copied: ${text}`, { exact: true }).waitFor();
      assert.equal(await page.evaluate<string>('navigator.clipboard.readText()'), text);
    }
  });
});

test('objects appear and disappear while one looks, in list and tree', { skip }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  createDirectory('\\RPC Control', { recursive: true });
  const { page } = await browser.open(t, (await serve(t)).link);
  await branch(page, 'RPC Control').click();
  await page.getByText('This directory is empty.').waitFor();
  const made = await createPort('\\RPC Control\\fleeting');
  atEnd(t, () => made.close());
  await line(page, 'fleeting').waitFor();
  createDirectory('\\RPC Control\\later');
  await branch(page, 'RPC Control').locator('.twist.closed').click();
  await branch(page, 'later').waitFor();
  await made.close();
  await line(page, 'fleeting').waitFor({ state: 'detached' });
  await branch(page, 'later').click();
  removeObject('\\RPC Control\\later');
  await branch(page, 'later').waitFor({ state: 'detached' });
  await shows(() => page.locator('.status-path').textContent(), '\\RPC Control', 'who stood in what went stands where it stood');
});

test('where one was, the quick access and the colours are remembered, also by a server that is started anew on the same port', { skip }, async (t) => {
  await populate(t);
  const first = await serve(t);
  const { page, context } = await browser.open(t, first.link, { colours: 'dark' });
  await shows(() => page.locator('html').getAttribute('data-theme'), 'dark', 'the colours of the system');
  await branch(page, 'RPC Control').click();
  await line(page, 'spooler').click();
  await page.getByRole('button', { name: 'Add to quick access' }).click();
  for (const _ of ['dark', 'light']) await page.getByRole('button', { name: /^Colours/ }).click();
  await shows(() => page.locator('html').getAttribute('data-theme'), 'light');
  await page.close();
  await first.close();
  const second = await serve(t, first.port);
  const next = await context.newPage();
  await next.goto(second.link);
  await isLive(next);
  await shows(() => next.locator('.status-path').textContent(), '\\RPC Control');
  await shows(() => next.locator('html').getAttribute('data-theme'), 'light');
  await branch(next, '\\').click();
  await next.locator('.quick').getByRole('button', { name: 'spooler', exact: true }).click();
  await shows(() => next.locator('.status-path').textContent(), '\\RPC Control\\spooler');
  await next.close();
});

test('a page whose server has gone says so, and asks for the new link when another listens there', { skip }, async (t) => {
  await populate(t);
  const server = await serve(t);
  const { page } = await browser.open(t, server.link, { isRefused: true }); // it complains that nobody answers
  await isLive(page);
  await server.close();
  await page.locator('.link.lost, .link.connecting').waitFor();
  const other = await serve(t, server.port);
  assert.notEqual(other.token, server.token);
  await page.getByText('This page needs its link').waitFor();
});

test('a page of another origin can neither ask, nor show the explorer in a frame, whatever it knows', { skip }, async (t) => {
  await populate(t);
  const server = await serve(t);
  const stranger = createServer((_, response) => response.setHeader('content-type', 'text/html').end(`<iframe src="http://127.0.0.1:${server.port}/"></iframe>`));
  await new Promise<void>((resolve) => void stranger.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => new Promise((resolve) => (stranger.close(resolve), stranger.closeAllConnections())));
  const { page } = await browser.open(t, `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`, { isRefused: true });
  for (const mode of ['cors', 'no-cors']) {
    const asked = `fetch('http://127.0.0.1:${server.port}/api/tree', { mode: '${mode}', headers: ${mode === 'cors' ? `{ authorization: 'Bearer ${server.token}' }` : '{}'} }).then((answer) => answer.text(), () => '')`;
    assert.equal(await page.evaluate<string>(asked), '', mode);
  }
  const frame = await until(() => page.frames()[1], (seen) => seen !== undefined);
  assert.equal(await frame!.locator('#page').count(), 0);
});

test('a namespace with ten thousand real objects is shown and searched, and what comes to them appears', { skip }, async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const event = createEvent('\\BaseNamedObjects\\event 0');
  atEnd(t, () => event.close());
  const path = (i: number): string => join(root, 'BaseNamedObjects', `event ${i}`);
  for (let i = 1; i < 10_000; i++) linkSync(path(0), path(i)); // each is an event
  const { page } = await browser.open(t, (await serve(t)).link);
  await branch(page, 'BaseNamedObjects').click();
  await page.locator('.status').getByText(/^10,000 objects$/).waitFor();
  await page.keyboard.press('Control+f');
  await page.keyboard.type('event 9998');
  await page.locator('.line mark').first().waitFor();
  await shows(() => names(page), ['event 9998']);
  linkSync(path(0), path(99_980));
  await shows(() => names(page), ['event 9998', 'event 99980']);
  unlinkSync(path(99_980));
  await shows(() => names(page), ['event 9998']);
});
