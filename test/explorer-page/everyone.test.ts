/**
 * That everybody can use the page, in the light and in the dark, and that it stays quick with much in it: contrast, roles, labels and focus by axe-core, in
 * every view and tab; ten thousand objects. What is shown comes from the fixture, so every run shows the same, deadlocks and hidden processes included.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { branch, type Colours, faults, isLive, line, names, noBrowser, openAnew, picture, shows, withBrowser } from './browser.js';
import { type FixtureOptions, type FixtureServer, serveFixture } from './fixture-server.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

async function serve(t: TestContext, options: FixtureOptions = { interval: 200 }): Promise<FixtureServer> {
  const server = await serveFixture(options);
  atEnd(t, () => server[Symbol.asyncDispose]());
  return server;
}

/** Everybody can use what stands there, in the light and in the dark; keeps pictures of both. */
async function isForEverybody(page: Page, name: string): Promise<void> {
  for (const colours of ['light', 'dark'] as const satisfies Colours[]) {
    await page.emulateMedia({ colorScheme: colours });
    await page.locator(`html[data-theme="${colours}"]`).waitFor();
    await picture(page, `${name}-${colours}`);
    assert.deepEqual(await faults(page), [], `${name}, ${colours}`);
  }
}

/** All of them look at the same objects, in one page. */
test('whatever is shown', { skip }, async (t) => {
  const server = await serve(t);
  const { page } = await browser.open(t, server.link);

  await t.test('list, search, menu and refusal are for everybody', async (each) => {
    await branch(page, 'RPC Control').click();
    await line(page, 'spooler').click();
    await isForEverybody(page, 'list');
    await line(page, 'spooler').click({ button: 'right' });
    await isForEverybody(page, 'menu');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+f');
    await page.keyboard.type('port');
    await page.locator('mark').first().waitFor();
    await isForEverybody(page, 'search');
    const { page: stranger } = await browser.open(each, server.url, { isRefused: true });
    await stranger.getByText('This page needs its link').waitFor();
    await isForEverybody(stranger, 'refused');
  });

  await t.test('every tab of the properties is for everybody', async () => {
    await openAnew(page);
    await branch(page, 'RPC Control').click();
    await line(page, 'spooler').dblclick();
    await page.locator('.facts').first().waitFor();
    for (const title of ['Details', 'Security', 'Connections', 'Queues', 'Latency', 'Waits']) {
      await page.getByRole('tab', { name: new RegExp(`^${title}`) }).click();
      if (title === 'Latency') await page.getByRole('img', { name: /^Latency over time/ }).waitFor();
      await isForEverybody(page, `properties-${title.toLowerCase()}`);
    }
  });

  await t.test('a text whose contrast can not be judged is a fault, and so is a sign that is too pale', async () => {
    await openAnew(page);
    const spoil = async (script: string): Promise<string> => {
      await page.evaluate(`(() => { const mark = document.querySelector('.order:not(:empty)'); ${script} })()`);
      const found = (await faults(page)).join();
      await page.evaluate("document.querySelector('.order:not(:empty)').removeAttribute('style')");
      return found;
    };
    assert.equal(await spoil(''), '');
    assert.match(await spoil("mark.style.backgroundImage = 'linear-gradient(red, white)'"), /can not be told whether/);
    assert.match(await spoil("mark.style.color = '#888'; mark.style.backgroundColor = '#999'"), /color-contrast/);
  });

  await t.test('the picture of the whole is for everybody', async () => {
    await openAnew(page);
    await page.getByRole('button', { name: 'Show the whole' }).click();
    await page.getByRole('complementary').getByRole('button').first().click();
    await isForEverybody(page, 'graph');
  });

  await t.test('on a narrow screen all of it can still be reached', async () => {
    await page.setViewportSize({ width: 640, height: 700 });
    await openAnew(page);
    await branch(page, 'RPC Control').click();
    for (const name of ['Refresh', 'Properties', /^Colours/]) {
      const box = await page.getByRole('button', { name }).boundingBox();
      assert.ok(box !== null && box.x >= 0 && box.x + box.width <= 640, String(name));
    }
    await isForEverybody(page, 'narrow');
  });
});

test('of ten thousand objects only those in sight are in the page, the last is reached and all are searched', { skip }, async (t) => {
  const { page } = await browser.open(t, (await serve(t, { objects: 10_000 })).link);
  await branch(page, 'BaseNamedObjects').click();
  await page.locator('.status').getByText(/^10,\d+ objects$/).waitFor();
  const count = await page.locator('.line').count();
  assert.ok(count > 20 && count < 120, String(count));
  await page.locator('#objects').focus();
  await page.keyboard.press('End');
  await page.locator('.line.chosen').waitFor();
  assert.ok((await page.locator('.line').count()) < 120);
  await page.keyboard.press('Control+f');
  await page.keyboard.type('cache-9997');
  await page.locator('.line mark').waitFor();
  await shows(() => names(page), ['cache-9997']);
});

test('ten thousand objects that come and go at once are shown', { skip }, async (t) => {
  const server = await serve(t, {});
  const { page } = await browser.open(t, server.link);
  await branch(page, 'BaseNamedObjects').click();
  const before = await names(page);
  const objects = Array.from({ length: 10_000 }, (_, index) => ({ name: `\\BaseNamedObjects\\burst-${index}`, type: 'Event' as const }));
  server.tell(objects.map((object) => ({ event: 'created', ...object })));
  await page.locator('.status').getByText(/^10,\d+ objects$/).waitFor();
  server.tell(objects.map((object) => ({ event: 'removed', ...object })));
  await page.locator('.status').getByText(/^10,\d+ objects$/).waitFor({ state: 'detached' });
  await shows(() => names(page), before);
  await page.reload();
  await isLive(page);
});
