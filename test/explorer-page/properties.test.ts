/** The properties of real ports in a real browser, tab by tab, and the picture of the whole: what processes do shows there, also while a server is stopped. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type ExplorerServer, serveExplorer } from '../../src/explorer/index.js';
import { type SceneActor, startCircle, startClient, startServer } from '../explorer/scene.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { branch, fact, line, noBrowser, picture, readUntil, showProperties, shows, tab, tells, withBrowser } from './browser.js';
import { drawnLines, pixelsOf } from './drawn.js';

const skip = noBrowser;
const browser = withBrowser();
withLedger({ except: ['resources'], whole: true }); // Node keeps a timer for its servers' connections

const NAME = '\\RPC Control\\spooler';

async function serve(t: TestContext): Promise<ExplorerServer> {
  const server = await serveExplorer({ interval: 250, port: 0 });
  atEnd(t, () => server.close());
  return server;
}

/** One server, and one client that has asked it three times. */
interface Scene {
  readonly server: SceneActor;
  readonly client: SceneActor;
  /** So many calls more; they are counted. */
  readonly ask: (count: number) => Promise<void>;
  readonly asked: () => number;
}

async function startScene(t: TestContext): Promise<Scene> {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME);
  const client = await startClient(t, NAME);
  let asked = 0;
  const ask = async (count: number): Promise<void> => {
    await client.ask({ type: 'call', data: 'a question', count }, 'done');
    asked += count;
  };
  await ask(3);
  return { server, client, ask, asked: () => asked };
}

/** What is looked at, one after the other, while the server is asked, while it is stopped, and when it is dead. */
test('of a server and its client', { skip }, async (t) => {
  const { server, client, ask, asked } = await startScene(t);
  const { page } = await browser.open(t, (await serve(t)).link);

  await t.test('properties have the tabs of WinObj, and four more for a port', async () => {
    await showProperties(page);
    await shows(() => page.getByRole('tab').allTextContents(), ['Details', 'Security', 'Connections 1', 'Queues', 'Latency', 'Waits']);
    await page.keyboard.press('ArrowRight');
    await shows(() => page.locator(':focus').textContent(), 'Security');
    await page.keyboard.press('Escape');
    await branch(page, '\\').click();
    await line(page, 'Sessions').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Properties' }).click();
    await page.getByRole('tab', { name: 'Security' }).waitFor();
    await shows(() => page.getByRole('tab').allTextContents(), ['Details', 'Security']);
    await page.keyboard.press('Escape');
  });

  await t.test('Details and Security tell the server, the owner, and who may connect', async () => {
    await showProperties(page);
    await shows(async () => [await fact(page, 'Type'), await fact(page, 'State'), await fact(page, 'Full name')], ['ALPC Port', 'listening', NAME]);
    await tells(() => fact(page, 'Server'), new RegExp(`^${server.pid} .*scene-actor`));
    const security = await tab(page, 'Security');
    assert.match(security, /Owner\s+(?:.* \(\d+\)|\d+)\s+✓ yes/);
    await shows(() => fact(page, 'Permissions'), 'rw------- (0600)');
  });

  await t.test('Connections tells both ends, and the counts go up while one looks', async (each) => {
    await tab(page, 'Connections');
    const cells = page.locator('.connections-lines').getByRole('gridcell');
    await tells(() => cells.nth(0).innerText(), new RegExp(`^${client.pid} `));
    await shows(async () => [await cells.nth(3).innerText(), await cells.nth(4).innerText()], ['3', '3']);
    for (const [end, { pid }] of [['Client', client], ['Server', server]] as const) await tells(() => page.getByRole('region', { name: end, exact: true }).innerText(), new RegExp(`Process\\s+${pid} `));
    await ask(1);
    await cells.nth(3).getByText('4', { exact: true }).waitFor();
    const another = await startClient(each, NAME);
    await cells.filter({ hasText: String(another.pid) }).waitFor();
    await another.kill();
    await cells.filter({ hasText: String(another.pid) }).waitFor({ state: 'detached' });
  });

  await t.test('Latency draws a histogram and a line over time, and says the same in words', async () => {
    await tab(page, 'Latency');
    await page.getByRole('img', { name: /^Histogram of round trips: \d/ }).locator('canvas').waitFor();
    for (let i = 0; i < 3; i++) await ask(20);
    await page.getByRole('img', { name: /^Latency over time\. Now the median is/ }).locator('canvas').waitFor();
    for (const [chart, part, colour] of [['Histogram of round trips', 'bars', 'bar'], ['Latency over time', 'line', 'accent'], ['Latency over time', 'second line', 'second']] as const) {
      // The line is of moments that calls were made in, so they go on while it is looked at.
      const pixels = await readUntil(async () => ask(5).then(() => pixelsOf(page, chart, colour)), (seen) => seen > 20);
      assert.ok(pixels > 20, `${chart}: ${pixels} pixels of the ${part}`);
    }
    await tells(() => page.getByRole('tabpanel').innerText(), /Median\s+[\d.]+ (?:ns|µs|ms)\s/);
    await page.keyboard.press('Escape');
  });

  await t.test('the picture of the whole has processes and connections; what is chosen is told in words', async () => {
    await page.getByRole('button', { name: 'Show the whole' }).click();
    await page.getByRole('application', { name: 'Processes and connections: 2 processes, 1 connection, 0 waits' }).locator('canvas').first().waitFor();
    const drawn = { source: String(client.pid), target: String(server.pid), colour: 'edge', style: 'solid' };
    await shows(() => drawnLines(page), [{ ...drawn, width: 1.5 }], 'nothing passes');
    const asking = ask(2000);
    const [busy] = await readUntil(() => drawnLines(page), ([first]) => first !== undefined && first.width > 4);
    assert.ok(busy!.width > 4 && busy!.width <= 12, `much passes: ${busy!.width}`);
    await asking;
    await shows(() => drawnLines(page), [{ ...drawn, width: 1.5 }], 'nothing passes any more');
    await page.getByRole('complementary').getByRole('button', { name: new RegExp(`^${server.pid} `) }).click();
    await page.getByText(`${client.pid} → ${server.pid}`).waitFor();
    server.signal('SIGSTOP');
    await client.ask({ type: 'block', data: 'hang' }, 'done');
    await page.getByText(`${client.pid} → ${server.pid}, waits`).waitFor();
    await shows(async () => (await drawnLines(page)).map(({ colour, style }) => [colour, style]), [['bad', 'dashed']], 'a wait is red');
    await page.getByText(new RegExp(`^process ${client.pid} .* waits for the reply to message ${asked() + 1} on `)).waitFor();
    await picture(page, 'graph-wait');
    await page.reload();
    await page.getByRole('application').waitFor();
    await page.getByRole('button', { name: 'Show the objects' }).click();
    await branch(page, 'RPC Control').waitFor();
  });

  await t.test('of a stopped server everything is told: what waits in its queue, who waits for whose reply, for which message, since when', async () => {
    await showProperties(page);
    await page.getByRole('tab', { name: 'Waits 1' }).waitFor();
    await tab(page, 'Waits');
    await tells(() => page.getByRole('tabpanel').innerText(), new RegExp(`${client.pid} .*\\s${client.pid}\\s+message ${asked() + 1}\\s+${server.pid} .*\\s${server.pid}\\s+\\d+ s`));
    await tab(page, 'Queues');
    await page.getByText(/^[1-9]\d* B of /).first().waitFor();
    await tab(page, 'Connections');
    await page.getByRole('region', { name: 'Server', exact: true }).getByText('stopped').waitFor();
    await picture(page, 'stopped-server');
    await Promise.all([client.kill(), server.kill()]);
    await tab(page, 'Details');
    await page.getByText('dead: the server has gone and left the name').waitFor();
  });
});

test('of a server that allows and denies for itself', { skip }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME, {}, true);
  const { page } = await browser.open(t, (await serve(t)).link);
  await showProperties(page);

  await t.test('Security lists whom the server allows and denies beyond the bits', async () => {
    await tab(page, 'Security');
    const rules = page.getByRole('table', { name: 'What the server says that it allows and denies' }).getByRole('row');
    await shows(async () => (await rules.allInnerTexts()).slice(1).map((text) => text.split('\t').filter((cell) => cell !== '')), [['User 65500', 'connect', '✕ deny'], ['Group 65501 and Program /bin/false and Session 7 and Label unconfined', 'connect', '✕ deny'], ['Everyone', 'connect', '✓ allow']]);
    await picture(page, 'security-lists');
  });

  await t.test('a port that goes while it is looked at stays on show, and the dialog says so', async () => {
    await tab(page, 'Details');
    await server.ask({ type: 'leave' }, 'done');
    await page.getByText('This object is gone').waitFor();
    await shows(() => fact(page, 'Full name'), NAME);
  });
});

test('a circle of waits is drawn and told', { skip }, async (t) => {
  temporaryRoot(t, { leftovers: true });
  const servers = await startCircle(t, ['\\RPC Control\\a', '\\RPC Control\\b', '\\RPC Control\\c']);
  const { page } = await browser.open(t, (await serve(t)).link);
  await page.getByRole('button', { name: 'Show the whole' }).click();
  const alert = page.getByRole('alert').filter({ hasText: '1 deadlock' });
  await alert.waitFor();
  for (const { pid } of servers) await tells(() => alert.innerText(), new RegExp(`process ${pid} `));
  const lines = async (): Promise<string[]> => (await drawnLines(page)).map(({ source, target, colour, style }) => `${source} > ${target}: ${colour}, ${style}`).toSorted();
  const circle = servers.map(({ pid }, i) => `${pid} > ${servers[(i + 1) % servers.length]!.pid}: bad, solid`);
  await shows(async () => (await lines()).filter((each) => each.includes('bad')), circle.toSorted());
  assert.equal((await lines()).filter((each) => each.endsWith(`> ${servers[0]!.pid}: edge, solid`)).length, 1, 'who only set it going does not wait');
  await picture(page, 'graph-deadlock');
});
