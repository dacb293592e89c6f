/** What is shown stays true while one looks: where links lead, the properties of every type, and what F5 says where nobody answers. */
import assert from 'node:assert/strict';
import { rmSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { createDirectory, createEvent, createNamedSection, createSymbolicLink, removeObject } from '../../src/index.js';
import { type ExplorerServer, serveExplorer } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { branch, fact, hold, isLive, line, noBrowser, shows, tells, withBrowser } from './browser.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

/** Looking makes nothing: so there is something in it to look at. */
function rootWithDirectories(t: TestContext): string {
  const root = temporaryRoot(t, { leftovers: true });
  createDirectory('\\Callback', { recursive: true });
  return root;
}

async function serve(t: TestContext, interval = 250): Promise<ExplorerServer> {
  const server = await serveExplorer({ interval, port: 0 });
  atEnd(t, () => server.close());
  return server;
}

async function showProperties(page: Page, name: string): Promise<void> {
  await line(page, name).click();
  await page.keyboard.press('Alt+Enter');
  await page.getByRole('dialog').locator('.facts').first().waitFor();
}

test('a link leads somewhere as soon as its target comes, nowhere when it goes, and who leads in a circle is told so', { skip }, async (t) => {
  const root = rootWithDirectories(t);
  createSymbolicLink('\\link', 'later');
  symlinkSync('round', join(root, 'round'));
  const { page } = await browser.open(t, (await serve(t)).link);
  const target = (name: string): Promise<string> => line(page, name).locator('.target').innerText();
  await shows(() => target('link'), 'later (leads nowhere)');
  await shows(() => target('round'), 'round (leads in a circle)');
  await line(page, 'round').dblclick();
  await page.getByText('\\round leads to round, in a circle.').waitFor();
  await line(page, 'link').dblclick();
  await page.getByText('\\link leads to later, and there is no such object.').waitFor();

  createDirectory('\\later');
  await shows(() => target('link'), 'later');
  await shows(() => line(page, 'link').locator('.target.broken').count(), 0);
  await showProperties(page, 'link');
  await shows(() => fact(page, 'Leads to'), '\\later');
  removeObject('\\later');
  await shows(() => fact(page, 'Leads to'), 'no object');
  await page.keyboard.press('Escape');
  await shows(() => target('link'), 'later (leads nowhere)');
  createDirectory('\\later');
  await shows(() => target('link'), 'later');
  await line(page, 'link').dblclick();
  await shows(() => page.locator('.status-path').textContent(), '\\later');
});

test('the properties of an event and a section follow what happens to them, and say when they are gone', { skip }, async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const event = createEvent('\\BaseNamedObjects\\Ready');
  const section = createNamedSection('\\BaseNamedObjects\\Frames', 4096);
  atEnd(t, () => [event, section].forEach((each) => each.close()));
  const { page } = await browser.open(t, (await serve(t)).link);
  await branch(page, 'BaseNamedObjects').click();

  await t.test('an event that is set and reset', async () => {
    await showProperties(page, 'Ready');
    await shows(() => fact(page, 'Signaled'), 'no');
    event.set();
    await shows(() => fact(page, 'Signaled'), 'yes');
    event.reset();
    await shows(() => fact(page, 'Signaled'), 'no');
    await page.keyboard.press('Escape');
  });

  await t.test('a section that grows, goes and comes back', async () => {
    const path = join(root, 'BaseNamedObjects', 'Frames');
    await showProperties(page, 'Frames');
    await tells(() => fact(page, 'Size'), /^4 KiB/);
    truncateSync(path, 8192);
    await tells(() => fact(page, 'Size'), /^8 KiB/);
    rmSync(path);
    await page.getByText('This object is gone').waitFor();
    await tells(() => fact(page, 'Size'), /^8 KiB/);
    const again = createNamedSection('\\BaseNamedObjects\\Frames', 12_288);
    atEnd(t, () => again.close());
    await tells(() => fact(page, 'Size'), /^12 KiB/);
    await page.getByText('This object is gone').waitFor({ state: 'detached' });
    await page.keyboard.press('Escape');
  });

  await t.test('what is in a directory', async () => {
    await branch(page, '\\').click();
    await showProperties(page, 'Callback');
    await tells(() => fact(page, 'Contents'), /^0 objects/);
    createDirectory('\\Callback\\one');
    await tells(() => fact(page, 'Contents'), /^1 object: 1 Directory/);
    await page.keyboard.press('Escape');
  });
});

test('between two pictures a change of the object and F5 bring the properties up to date', { skip }, async (t) => {
  const root = temporaryRoot(t, { leftovers: true });
  const event = createEvent('\\Ready');
  const section = createNamedSection('\\Frames', 4096);
  atEnd(t, () => [event, section].forEach((each) => each.close()));
  const { page } = await browser.open(t, (await serve(t, 60_000)).link); // no picture comes
  await showProperties(page, 'Frames');
  truncateSync(join(root, 'Frames'), 8192);
  await tells(() => fact(page, 'Size'), /^8 KiB/);
  await page.keyboard.press('Escape');
  await showProperties(page, 'Ready');
  event.set();
  await shows(() => fact(page, 'Signaled'), 'no', 'of this no change is told');
  await page.keyboard.press('F5');
  await shows(() => fact(page, 'Signaled'), 'yes');
});

test('F5 where nobody answers says so, and does not say that it has refreshed', { skip }, async (t) => {
  rootWithDirectories(t);
  const server = await serve(t);
  const { page } = await browser.open(t, server.link, { isRefused: true }); // it complains that nobody answers
  await isLive(page);
  await page.evaluate("globalThis.said = []; new MutationObserver(() => said.push(document.querySelector('.notice').textContent)).observe(document.querySelector('.notice'), { childList: true, characterData: true, subtree: true })");
  await server.close();
  await page.locator('.link.lost, .link.connecting').waitFor();
  for (const refresh of [() => page.keyboard.press('F5'), () => page.getByRole('button', { name: 'Refresh' }).click()]) {
    await page.evaluate('said.length = 0');
    await refresh();
    await page.locator('.notice').getByText('The server does not answer.').waitFor();
    await page.evaluate("Promise.resolve().then(() => new Promise(requestAnimationFrame)).then(() => new Promise(requestAnimationFrame))");
    assert.ok(!(await page.evaluate<string[]>('said')).includes('Refreshed.'));
  }
});

test('properties that nobody brings up to date any more say so', { skip }, async (t) => {
  rootWithDirectories(t);
  const server = await serve(t);
  const { page } = await browser.open(t, server.link, { isRefused: true }); // it complains that nobody answers
  await isLive(page);
  await showProperties(page, 'Callback');
  await server.close();
  await page.getByRole('dialog').getByText('The server does not answer.').waitFor();
  await tells(() => fact(page, 'Contents'), /^0 objects/);
});

test('the tree is shown before the server watches, and what came in between is not missed', { skip }, async (t) => {
  rootWithDirectories(t);
  const { page } = await browser.open(t, (await serve(t)).link);
  const go = await hold(page, '**/api/events*');
  await page.reload();
  await line(page, 'Callback').waitFor();
  await page.locator('.link.connecting').waitFor();
  createDirectory('\\meanwhile');
  go();
  await line(page, 'meanwhile').waitFor();
});
