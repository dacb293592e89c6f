/**
 * Makes docs/images/explorer.png, the picture in the README: the page on the lively scene of `npm start`, in the light. Where the picture was taken
 * (user, machine, path) is nobody's business: neutral words stand in the status bar.
 *
 *     npm run build && node dist/scripts/page-picture.js
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { branch, isLive, launch, line } from '../test/explorer-page/browser.js';

const PICTURE = fileURLToPath(new URL('../../docs/images/explorer.png', import.meta.url));
const SCENE = fileURLToPath(new URL('../examples/lively/main.js', import.meta.url));
const SIZE = { width: 1000, height: 440 };
const NEUTRAL = 'ada (1000) on desk: /run/user/1000/alpc';

const scene = spawn(process.execPath, [SCENE], { stdio: ['ignore', 'pipe', 'inherit'] });
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: SIZE, colorScheme: 'light' });
  await page.goto(await linkOf(scene.stdout));
  await isLive(page);
  for (const directory of ['Sessions', '1']) await branch(page, directory).locator('.twist').click();
  await branch(page, 'RPC Control').click();
  await line(page, 'greeter').click();
  await page.locator('.status-root').evaluate((element, text) => (element.textContent = text), NEUTRAL);
  mkdirSync(dirname(PICTURE), { recursive: true });
  await page.screenshot({ path: PICTURE, animations: 'disabled' });
  console.log(PICTURE);
} finally {
  await browser.close();
  scene.kill('SIGINT');
}

async function linkOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const text of createInterface({ input: output })) {
    const link = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/.exec(text)?.[0];
    if (link !== undefined) return link;
  }
  throw new Error('the scene ended before it gave its link');
}
