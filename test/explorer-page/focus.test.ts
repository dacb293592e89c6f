/** Where the keyboard's focus is: in the list from the beginning, and never nowhere. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { branch, faults, hold, line, noBrowser, openAnew, picture, shows, withBrowser } from './browser.js';
import { serveFixture } from './fixture-server.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

async function open(t: TestContext): Promise<Page> {
  const server = await serveFixture({ interval: 200 });
  atEnd(t, () => server[Symbol.asyncDispose]());
  return (await browser.open(t, server.link)).page;
}

/** The id of what has it, or what kind of element it is. */
function focused(page: Page): Promise<string> {
  return page.evaluate<string>('document.activeElement.id || document.activeElement.tagName');
}

test('the focus', { skip }, async (t) => {
  const page = await open(t);
  const at = (): Promise<string | null> => page.locator('.status-path').textContent();

  await t.test('is in the list when the page has come, so that keys lead there at once, and is seen', async () => {
    await shows(() => focused(page), 'objects');
    await picture(page, 'focus-at-first');
    assert.deepEqual(await faults(page), []);
    for (const key of ['r', 'p', 'c']) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    await shows(at, '\\RPC Control');
    await page.keyboard.press('ArrowDown');
    await shows(at, '\\RPC Control\\lost');
  });

  await t.test('is not taken from who has begun to type while the tree was on its way', async () => {
    const isWanted = await hold(page, '**/api/tree');
    await page.reload();
    await page.locator('#search').click(); // the keys of the whole page may not be listened to yet
    await page.keyboard.type('spo');
    isWanted();
    await page.locator('mark').first().waitFor();
    assert.equal(await focused(page), 'search');
    await page.unroute('**/api/tree');
  });

  await t.test('goes to the list when the button that had it can not be pressed any more, or has gone', async () => {
    await openAnew(page);
    await branch(page, 'RPC Control').click();
    await page.getByRole('button', { name: 'Up', exact: true }).click();
    await shows(() => focused(page), 'objects');
    await shows(at, '\\RPC Control');
    await line(page, 'RPC Control').dblclick();
    await line(page, 'printer').click();
    await page.getByRole('button', { name: "Go to the link's target" }).click();
    await shows(at, '\\RPC Control\\spooler');
    await shows(() => focused(page), 'objects');
    await page.getByRole('button', { name: /^Remove .*BaseNamedObjects/ }).press('Enter');
    await shows(() => focused(page), 'objects');
  });

  await t.test('is in the picture when that is shown, and back in the list', async () => {
    await openAnew(page);
    await page.getByRole('button', { name: 'Show the whole' }).click();
    await page.getByRole('application').waitFor();
    await page.reload();
    await page.getByRole('application').waitFor();
    await shows(() => focused(page), 'picture');
    await page.goBack();
    await shows(() => focused(page), 'objects');
  });
});
