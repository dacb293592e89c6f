/** The picture of the whole among the rest of the page: what the keys, the search and the status bar do there, and that nothing lies over what is drawn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { serveExplorer } from '../../src/explorer/index.js';
import { startClient, startServer } from '../explorer/scene.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { branch, line, names, noBrowser, picture, readUntil, shows, tells, withBrowser } from './browser.js';
import { serveFixture } from './fixture-server.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

test('the picture has a place of its own', { skip }, async (t) => {
  const server = await serveFixture({ interval: 200 });
  atEnd(t, () => server[Symbol.asyncDispose]());
  const { page } = await browser.open(t, server.link);
  const at = (): Promise<string | null> => page.locator('.status-path').textContent();
  const show = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Show the whole' }).click();
    await page.getByRole('application', { name: /processes/ }).waitFor();
  };
  const back = (): Promise<void> => page.getByRole('button', { name: 'Show the objects' }).click();

  await t.test('the status bar counts what is in it, and no objects', async () => {
    await show();
    await tells(() => page.locator('.status').innerText(), /^The whole\s+7 processes, 8 connections, 5 waits\s/);
    await back();
    await tells(() => page.locator('.status').innerText(), /^\\\s+4 objects\s/);
  });

  await t.test('there is nothing above it: Backspace does not move the list behind it', async () => {
    await branch(page, 'RPC Control').click();
    await line(page, 'spooler').click();
    await show();
    await page.locator('#picture').focus();
    await page.keyboard.press('Backspace');
    await back();
    await shows(at, '\\RPC Control\\spooler');
    await page.keyboard.press('Backspace');
    await shows(async () => [await at(), await page.locator('.tree-row.chosen').textContent()], ['\\RPC Control', '\\']);
  });

  await t.test('a search ends when it is shown, and who comes back is where they were', async () => {
    await branch(page, 'RPC Control').click();
    await page.locator('#search').fill('o');
    await page.locator('mark').first().waitFor();
    await show();
    await shows(at, 'The whole');
    await shows(() => page.locator('#search').inputValue(), '');
    await back();
    await shows(at, '\\RPC Control');
    await page.getByLabel('Search by type').selectOption('Event');
    await show();
    await back();
    await shows(async () => [await at(), (await names(page)).includes('spooler')], ['\\RPC Control', true]);
  });
});

interface Box {
  readonly name: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where nodes with their labels are on the screen, and what of the page is not the drawing. */
function boxes(page: Page): Promise<{ nodes: Box[]; others: Box[]; drawing: Box }> {
  return page.evaluate(`(() => {
    const box = (name, { left, top, right, bottom }) => ({ name, left, top, right, bottom });
    const place = document.querySelector('.graph-place');
    const at = place.getBoundingClientRect();
    const nodes = place._cyreg.cy.nodes().map((node) => {
      const { x1, y1, x2, y2 } = node.renderedBoundingBox({ includeOverlays: false });
      return box(node.data('label'), { left: at.left + x1, top: at.top + y1, right: at.left + x2, bottom: at.top + y2 });
    });
    const others = ['.legend', '.graph-tools', '.graph-side', '.status'].map((name) => box(name, document.querySelector(name).getBoundingClientRect()));
    return { nodes, others, drawing: box('drawing', at) };
  })()`);
}

/** How high the letters of the smallest label are on the screen. */
function smallestLabel(page: Page): Promise<number> {
  return page.evaluate<number>(`(() => {
    const cy = document.querySelector('.graph-place')._cyreg.cy;
    return Math.min(...cy.nodes().map((node) => parseFloat(node.style('font-size')) * cy.zoom()));
  })()`);
}

/** As many as in the scene of `npm start`. */
test('nothing lies over what is drawn, and its labels can be read', { skip }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const ports = ['\\RPC Control\\greeter', '\\RPC Control\\index', '\\RPC Control\\search', '\\RPC Control\\thumbnails', '\\RPC Control\\archive', '\\RPC Control\\api', '\\RPC Control\\sb'];
  const servers = await Promise.all(ports.map((name) => startServer(t, name)));
  for (const [index, name] of ports.entries()) for (let i = 0; i < (index < 5 ? 2 : 1); i++) await startClient(t, name);
  const server = await serveExplorer({ interval: 250, port: 0 });
  atEnd(t, () => server.close());
  const { page } = await browser.open(t, server.link);
  await page.setViewportSize({ width: 1200, height: 750 });
  await page.getByRole('button', { name: 'Show the whole' }).click();
  await page.getByRole('application', { name: /processes/ }).waitFor();
  for (const fit of [undefined, 'Fit', 'Arrange']) {
    if (fit !== undefined) await page.getByRole('button', { name: fit }).click();
    const { nodes, others, drawing } = await readUntil(() => boxes(page), (seen) => seen.nodes.length >= 19);
    assert.ok(nodes.length >= servers.length + 12, String(nodes.length));
    for (const node of nodes) {
      assert.ok(node.left >= drawing.left && node.right <= drawing.right && node.top >= drawing.top && node.bottom <= drawing.bottom, `${fit}: ${JSON.stringify(node)} is in ${JSON.stringify(drawing)}`);
      for (const other of others) assert.ok(node.right <= other.left || node.left >= other.right || node.bottom <= other.top || node.top >= other.bottom, `${fit}: ${JSON.stringify(node)} is not under ${JSON.stringify(other)}`);
    }
    await picture(page, `graph-scene-${fit ?? 'first'}`);
    assert.ok((await smallestLabel(page)) >= 10, `${fit}: labels are ${await smallestLabel(page)} pixels high`);
  }
  await picture(page, 'graph-scene-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.locator('html[data-theme="dark"]').waitFor();
  await picture(page, 'graph-scene-dark');
});
