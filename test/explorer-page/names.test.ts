/**
 * Names, targets, paths and commands that were chosen to look like something else: nowhere on the page do they. Every text and every attribute of the page is looked at, in every
 * view, so that a place that is added later is looked at too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { branch, line, names, noBrowser, picture, readUntil, shows, withBrowser } from './browser.js';
import { type Fixture, readFixture, serveFixture } from './fixture-server.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

/** What is called so in the fixture: ports, a link's target, directories, files on disk, programs, accounts, hosts, what is told of waits. */
const SPOILT = ['spooler', 'RPC Control', 'printer', 'Ready', 'search', 'ada', 'desk', 'hung', 'editor', 'index', 'mail', '9'];
const SPOIL = '\u202E\n\u200B';
const SHOWN = '\\u{202e}\\u{a}\\u{200b}';

function spoil(fixture: Fixture): Fixture {
  const { objects, ...rest } = fixture;
  const spoilt = (value: unknown): unknown => {
    if (typeof value === 'string') return SPOILT.slice(0, -1).reduce((text, word) => text.replaceAll(word, `${SPOIL}${word}`), value).replace(/^\\Sessions\\9/, `\\Sessions\\${SPOIL}9`);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(spoilt);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, spoilt(each)]));
  };
  return { ...(spoilt(rest) as Omit<Fixture, 'objects'>), objects: Object.fromEntries(Object.entries(objects).map(([name, each]) => [spoilt(name), spoilt(each)])) as Fixture['objects'] };
}

/** Texts and attributes of the page that hold what was put into the names, and what is drawn in the picture. */
function unprintable(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const found = [];
    const look = (where, text) => /[\\n\\u200b\\u202e]/.test(text) && found.push(where + ': ' + JSON.stringify(text));
    for (const element of document.querySelectorAll('#page, #page *')) {
      for (const { name, value } of element.attributes) look(element.tagName + ' ' + name, value);
      for (const node of element.childNodes) if (node.nodeType === 3) look(element.tagName, node.data);
    }
    const graph = document.querySelector('.graph-place')?._cyreg.cy;
    for (const element of graph?.elements().toArray() ?? []) look('drawn', element.data('label').replace(/\\n\\d*$|\\nnot visible$/, ''));
    return found;
  })()`);
}

test('a name that turns the writing round or holds a line break is spelt out wherever it stands', { skip }, async (t) => {
  const server = await serveFixture({ interval: 100, change: spoil });
  atEnd(t, () => server[Symbol.asyncDispose]());
  const { page } = await browser.open(t, server.link);
  const isClean = async (where: string): Promise<void> => assert.deepEqual(await unprintable(page), [], where);

  await branch(page, `${SHOWN}RPC Control`).click();
  await line(page, `${SHOWN}spooler`).click();
  await page.getByRole('button', { name: 'Add to quick access' }).click();
  await shows(async () => [await page.locator('.status-path').textContent(), await page.locator('.notice').textContent()], [`\\${SHOWN}RPC Control\\${SHOWN}spooler`, `${SHOWN}spooler added to the quick access.`]);
  await shows(() => line(page, `${SHOWN}printer`).locator('.target').textContent(), `${SHOWN}spooler`);
  await shows(async () => (await page.locator('.address button').allTextContents()).at(-1), `${SHOWN}RPC Control`);
  await isClean('list');
  await picture(page, 'names-list');
  await line(page, `${SHOWN}spooler`).click({ button: 'right' });
  await isClean('menu');
  await page.keyboard.press('Escape');

  await line(page, `${SHOWN}spooler`).dblclick();
  await page.locator('.facts').first().waitFor();
  for (const title of ['Details', 'Security', 'Connections', 'Queues', 'Latency', 'Waits']) {
    await page.getByRole('tab', { name: new RegExp(`^${title}`) }).click();
    await page.getByRole('tabpanel', { name: new RegExp(`^${title}`) }).waitFor();
    await isClean(title);
  }
  await shows(() => page.locator('#properties-title').textContent(), `${SHOWN}spooler`);
  await page.keyboard.press('Escape');
  for (const title of ['printer', 'lost']) {
    await line(page, title === 'lost' ? title : `${SHOWN}${title}`).click();
    await page.keyboard.press('Alt+Enter');
    await page.locator('.facts').first().waitFor();
    await isClean(`properties of ${title}`);
    await page.keyboard.press('Escape');
  }

  await page.keyboard.press('Control+f');
  await page.keyboard.type('sp');
  await page.locator('mark').first().waitFor();
  await shows(() => names(page), [`${SHOWN}spooler`]);
  await isClean('search');

  await page.getByRole('button', { name: 'Show the whole' }).click();
  const processes = page.locator('.processes').getByRole('button');
  await processes.first().waitFor();
  for (const button of await processes.all()) {
    await button.click();
    await isClean('picture');
  }
  const drawn = `document.querySelector('.graph-place')._cyreg.cy.elements().map((element) => element.data('label')).join()`;
  await readUntil(() => page.evaluate<string>(drawn), (labels) => labels.includes(`${SHOWN}spooler`));
  assert.ok((await page.locator('.graph-side').innerText()).includes(SHOWN));
  await picture(page, 'names-graph');
});

test('the fixture is spoilt where it should be', () => {
  const text = JSON.stringify(spoil(readFixture()));
  for (const word of SPOILT) assert.ok(text.includes(`${JSON.stringify(SPOIL).slice(1, -1)}${word}`), word);
});
