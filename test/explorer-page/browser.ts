/**
 * The page in a real browser: a chromium that is installed, driven by playwright-core. One browser for each test file, one context (its own
 * storage, its own colours) for each page; both are gone at the end.
 *
 *     const browser = withBrowser();
 *     test('...', { skip: noBrowser }, async (t) => {
 *       const { page } = await browser.open(t, server.link, { colours: 'dark' });
 *       await picture(page, 'list-dark');                 // with ALPC_PICTURES=1 kept in test-pictures/, which git ignores
 *
 * What the browser complains of (an error of a script, a style that the policy forbids) fails the test, unless it is expected.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { atEnd } from '../support/at-end.js';
import { skipWithout } from '../support/tools.js';

export type Colours = 'light' | 'dark';

export interface OpenOptions {
  colours?: Colours;
  /** The page is not let in, and complains. */
  isRefused?: boolean;
}

export interface Opened {
  readonly page: Page;
  /** Another page that shares its storage. */
  readonly context: BrowserContext;
}

export interface TestBrowser {
  open(t: TestContext, link: string, options?: OpenOptions): Promise<Opened>;
}

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome'];
const PICTURES = fileURLToPath(new URL('../../../test-pictures', import.meta.url));
/**
 * What the browser is to do without. The first line is there for time: else each window loads two pages more, for the list below its address bar,
 * which is never seen, and has a process ready for a page that never comes. The others are those that Playwright switches off, for the switch below takes the place of its own.
 */
const WITHOUT = [
  'WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'SpareRendererForSitePerProcess',
  'AimEnabled', 'AvoidCorsURLLoaderRestartOnRedirect', 'AvoidUnnecessaryBeforeUnloadCheckSync', 'DestroyProfileOnBrowserClose', 'HttpsFirstBalancedModeAutoEnable', 'HttpsUpgrades', 'LensOverlay',
  'MediaRouter', 'NetworkTimeServiceQuerying', 'OptimizationHints', 'PaintHolding', 'PreconnectToSearch', 'ThirdPartyStoragePartitioning',
];
/** It asks nobody but the page's server. */
const QUIET = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--force-color-profile=srgb', `--disable-features=${WITHOUT.join(',')}`];
const PATIENCE = 60_000;

const path = PATHS.find((each) => existsSync(each));

/** Why there is no browser, or false. */
export const noBrowser: string | false = skipWithout('chromium', path !== undefined);

export async function launch(): Promise<Browser> {
  assert.ok(path !== undefined, 'chromium is not installed');
  return chromium.launch({ executablePath: path, args: QUIET, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
}

/** One browser for all tests of a file. Call it once, at the top. */
export function withBrowser(): TestBrowser {
  let browser: Browser | undefined;
  before(async () => {
    if (noBrowser === false) browser = await launch();
  });
  after(async () => browser?.close());
  return { open: (t, link, options = {}) => openIn(browser!, t, link, options) };
}

async function openIn(browser: Browser, t: TestContext, link: string, { colours = 'light', isRefused = false }: OpenOptions): Promise<Opened> {
  const context = await browser.newContext({ colorScheme: colours, viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  context.setDefaultTimeout(PATIENCE);
  const complaints: string[] = [];
  context.on('console', (message) => void (['error', 'warning'].includes(message.type()) && complaints.push(message.text())));
  context.on('weberror', (error) => void complaints.push(String(error.error())));
  atEnd(t, async () => {
    await context.close();
    if (!isRefused) assert.deepEqual(complaints, [], 'the browser has nothing to complain of');
  });
  const page = await context.newPage();
  await page.goto(link);
  if (!isRefused) await isLive(page);
  return { page, context };
}

/** The page has the tree, and hears of what happens. */
export async function isLive(page: Page): Promise<void> {
  await page.locator('.link.live').waitFor();
  await page.locator('.line').first().waitFor();
}

/** As it was when it was opened first: in the root, nothing chosen, nothing remembered. */
export async function openAnew(page: Page): Promise<void> {
  await page.evaluate("localStorage.clear(); history.replaceState(null, '', '#')");
  await page.reload();
  await isLive(page);
}

/** Kept for whoever wants to see what the tests saw, and says so with ALPC_PICTURES=1. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env['ALPC_PICTURES'] === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled' });
}

// ---- what is on the page -------------------------------------------------------------------------------------------------

/** A directory in the tree. */
export function branch(page: Page, label: string): Locator {
  return page.getByRole('treeitem').filter({ has: page.locator('.label').getByText(label, { exact: true }) });
}

/** An object in the list. */
export function line(page: Page, name: string): Locator {
  return page.locator('.line:not(.group)').filter({ has: page.locator('.name .label').getByText(name, { exact: true }) });
}

/** What stands in the list, headings left out. */
export function names(page: Page): Promise<string[]> {
  return page.locator('.line:not(.group) .name .label').allTextContents();
}

/** What is read becomes what is expected: a page draws when it comes to it, and a key or a click that is answered has not been drawn yet. */
export async function shows<T>(read: () => Promise<T>, expected: T, message?: string): Promise<void> {
  assert.deepEqual(await readUntil(read, (seen) => isDeepStrictEqual(seen, expected)), expected, message);
}

/** The same of a text and a pattern. */
export async function tells(read: () => Promise<string>, pattern: RegExp): Promise<void> {
  assert.match(await readUntil(read, (seen) => pattern.test(seen)), pattern);
}

/** What was seen at last: what is right, or what stood there when patience ended, for the test to complain about. */
export async function readUntil<T>(read: () => Promise<T>, isRight: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const seen = await read();
    if (isRight(seen) || performance.now() > deadline) return seen;
    await sleep(20);
  }
}

/** Opens the properties of `\\RPC Control\\spooler`. */
export async function showProperties(page: Page): Promise<void> {
  await branch(page, 'RPC Control').click();
  await line(page, 'spooler').dblclick();
  await page.getByRole('dialog').locator('.facts').first().waitFor();
}

/** Goes to a tab of the properties; what it says. */
export async function tab(page: Page, name: string): Promise<string> {
  await page.getByRole('tab', { name: new RegExp(`^${name}`) }).click();
  const panel = page.getByRole('tabpanel', { name: new RegExp(`^${name}`) });
  await panel.waitFor();
  return panel.innerText();
}

/** What a fact of the tab says. */
export function fact(page: Page, name: string): Promise<string> {
  return page.locator('.facts > div').filter({ has: page.getByText(name, { exact: true }) }).first().locator('dd').innerText();
}

/** Keeps what the page asks for at such addresses waiting; call what it gives to let it go on. */
export async function hold(page: Page, address: string): Promise<() => void> {
  let go = (): void => undefined;
  const isTime = new Promise<void>((resolve) => (go = resolve));
  await page.route(address, async (route) => {
    await isTime;
    await route.continue();
  });
  return () => go();
}

// ---- whether everybody can use it ------------------------------------------------------------------------------------------

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  help: string;
  nodes: { target: string[]; failureSummary?: string }[];
}

/**
 * Runs in the page. Signs (an arrow, a minus) are held to what text is. Contrast that can't be judged where an element stands is looked at again when it has been
 * brought into view; what can't be judged then is a fault: else a text over something that can't be seen through would never be looked at.
 */
const FAULTS = `(async () => {
  const checks = { 'color-contrast': { options: { ignoreUnicode: false } } };
  const contrast = ({ id }) => id === 'color-contrast';
  const { violations, incomplete } = await axe.run({ checks });
  for (const { target } of incomplete.filter(contrast).flatMap(({ nodes }) => nodes)) {
    const element = document.querySelector(target.join(' '));
    element.scrollIntoView({ block: 'center' });
    const again = await axe.run(element, { checks, runOnly: ['color-contrast'] });
    violations.push(...again.violations, ...again.incomplete.filter(contrast).map((found) => ({ ...found, help: 'it can not be told whether ' + found.help })));
  }
  return violations;
})()`;

/** Contrast, roles, labels, focus: what axe-core finds wrong, in words. Its rules of best practice are rules here too. */
export async function faults(page: Page): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in globalThis"))) await page.evaluate(`${AXE}; undefined`);
  const violations = await page.evaluate<Violation[]>(FAULTS);
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary})`).join('; ')}`);
}
