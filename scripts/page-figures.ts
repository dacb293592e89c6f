/**
 * `npm run bench:page`: how quick the explorer's page is with ten thousand objects, in the chromium that is installed. What is promised is that the first paint
 * comes within a second, and that the list scrolls at fifty frames a second: the medians say whether it holds, and with --check the exit code too.
 *
 * How the page scrolls, searches and sorts is measured with objects that a server makes up, so that nothing but the page counts. How soon it is there is measured
 * with the explorer's own server as well, over namespaces on disk: the standard directories alone, and so many files, and so many directories, more. There the first
 * line of the list is told too: with it the tree has been walked, sent, read and sorted.
 *
 *     npm run bench:page -- --check
 *     npm run bench:page -- --objects=100000
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { serveExplorer } from '../src/explorer/index.js';
import { branch, isLive, launch } from '../test/explorer-page/browser.js';
import { serveFixture } from '../test/explorer-page/fixture-server.js';

const ROUNDS = 5;
const FIRST_PAINT = 'first paint, ms';
const FRAMES = 'frames a second while it scrolls';
const FIRST_LINE = 'first line of the list, ms';
const PROMISES = [
  { figure: FIRST_PAINT, promise: 'less than 1000', holds: (value: number): boolean => value < 1000 },
  { figure: FRAMES, promise: 'at least 50', holds: (value: number): boolean => value >= 50 },
] as const;
type Figures = Record<string, number>;

const objects = Number(process.argv.find((argument) => argument.startsWith('--objects='))?.split('=')[1] ?? 10_000);

/** Runs in the page: scrolls by 400 pixels a frame for three seconds. */
const SCROLL = `(async () => {
  const list = document.querySelector('.lines');
  const times = [];
  for (let begun = performance.now(), last = begun; last - begun < 3000;) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
    list.scrollTop += 400;
    if (list.scrollTop + list.clientHeight >= list.scrollHeight - 10) list.scrollTop = 0;
  }
  return times.slice(1);
})()`;
/** Runs in the page before all else: keeps the moment when the list has its first line. */
const WATCH_FOR_LINE = `new MutationObserver((_, observer) => {
  if (document.querySelector('.line:not(.group)') === null) return;
  globalThis.firstLine = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true })`;
const PAINT = `performance.getEntriesByName('first-contentful-paint')[0].startTime`;

/** What there is on disk, and how to make one of it. */
const NAMESPACES: readonly (readonly [string, number, (path: string) => void])[] = [
  ['the standard directories', 0, () => undefined],
  [`${objects} files`, objects, (path) => writeFileSync(path, '')],
  [`${objects} directories`, objects, (path) => mkdirSync(path)],
];

await using server = await serveFixture({ objects });
const browser = await launch();
try {
  console.log(`${objects} objects, chromium ${browser.version()}, median of ${ROUNDS} (worst)`);
  tell(await rounds(() => measure(server.link)));
  for (const [title, count, make] of NAMESPACES) {
    console.log(`on disk: ${title}`);
    tell(await measureOnDisk(count, make));
  }
} finally {
  await browser.close();
}

async function rounds(measureOnce: () => Promise<Figures>): Promise<Figures[]> {
  const all: Figures[] = [];
  for (let i = 0; i < ROUNDS; i++) all.push(await measureOnce());
  return all;
}

/** The medians, and which of the promises hold. */
function tell(all: readonly Figures[]): void {
  const medians = new Map(Object.keys(all[0]!).map((name) => [name, show(name, all)]));
  for (const { figure, promise, holds } of PROMISES) {
    const median = medians.get(figure);
    if (median === undefined) continue;
    console.log(`promised: ${figure}: ${promise}: ${holds(median) ? 'holds' : 'DOES NOT HOLD'}`);
    if (!holds(median) && process.argv.includes('--check')) process.exitCode = 1;
  }
}

/** @returns the median */
function show(name: string, rounds: readonly Figures[]): number {
  const values = rounds.map((round) => round[name]!).toSorted((a, b) => a - b);
  const worst = name === FRAMES ? values[0]! : values.at(-1)!;
  console.log(`${name.padEnd(52)} ${values[ROUNDS >> 1]!.toFixed(0).padStart(6)} (${worst.toFixed(0)})`);
  return values[ROUNDS >> 1]!;
}

async function measure(link: string): Promise<Figures> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(link);
    await isLive(page);
    const listed = performance.now() - begun;
    const paint = await page.evaluate<number>(PAINT);
    await branch(page, 'BaseNamedObjects').click();
    const frames = await page.evaluate<number[]>(SCROLL);
    const total = frames.reduce((sum, time) => sum + time, 0);
    return {
      [FIRST_PAINT]: paint, 'the whole tree is there, ms': listed, [FRAMES]: (1000 * frames.length) / total, 'longest frame, ms': Math.max(...frames),
      'until a search of all has its result, ms': await search(page), 'until the list is sorted the other way, ms': await sort(page),
    };
  } finally {
    await context.close();
  }
}

/** With a namespace of its own, which the explorer's server shows. */
async function measureOnDisk(count: number, make: (path: string) => void): Promise<Figures[]> {
  const root = mkdtempSync(join(tmpdir(), 'alpc-figures-'));
  try {
    const directory = join(root, 'BaseNamedObjects');
    mkdirSync(directory);
    for (let i = 0; i < count; i++) make(join(directory, `object ${i}`));
    await using explorer = await serveExplorer({ root, port: 0 });
    const path = count === 0 ? '' : `&path=${encodeURIComponent('\\BaseNamedObjects')}`;
    return await rounds(() => measureArrival(`${explorer.link}${path}`));
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function measureArrival(link: string): Promise<Figures> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    await page.addInitScript(WATCH_FOR_LINE);
    await page.goto(link);
    await isLive(page);
    return { [FIRST_PAINT]: await page.evaluate<number>(PAINT), [FIRST_LINE]: await page.evaluate<number>('firstLine') };
  } finally {
    await context.close();
  }
}

async function search(page: Page): Promise<number> {
  const begun = performance.now();
  await page.locator('#search').fill('cache-99');
  await page.locator('mark').first().waitFor();
  const time = performance.now() - begun;
  await page.locator('#search').fill('');
  await page.locator('mark').first().waitFor({ state: 'detached' });
  return time;
}

async function sort(page: Page): Promise<number> {
  const begun = performance.now();
  await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click();
  await page.locator('[aria-sort=descending]').waitFor();
  return performance.now() - begun;
}
