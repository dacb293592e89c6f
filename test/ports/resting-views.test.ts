/** Views that somebody may still read when this side has ended their connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageSize } from '../../src/platform/descriptors.js';
import { RestingViews } from '../../src/ports/resting-views.js';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { connectedPair } from './connected-pair.js';

withLedger();

const PAGE = pageSize();

test('a reply that is sent before its connection is ended is read as it was written, whatever the section is used for meanwhile', async (t) => {
  const { port, client, toClient } = await connectedPair(t, ['view']);
  const section = port.createSection(2 * PAGE);
  port.on('message', (message) => {
    if (message.type !== 'request') return;
    const answer = section.createView(PAGE);
    answer.bytes.fill('A');
    message.reply('', { view: answer, autoRelease: true });
    toClient.disconnect();
    section.createView(PAGE).bytes.fill('B');
    assert.throws(() => section.createView(PAGE), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  });
  const { view } = await client.request('?');
  assert.equal(String(view!.bytes.subarray(0, 3)), 'AAA');
  view!.release();
});

test('what a peer had that has closed the connection itself, or died, can be had again at once', async (t) => {
  const { port, client, toClient } = await connectedPair(t, ['view']);
  const section = port.createSection(PAGE);
  toClient.tryPost('', { view: section.createView(PAGE), autoRelease: true });
  const room = section.waitForView(PAGE, { timeout: 10_000 });
  client.close();
  (await room).release();
});

for (const [how, wait] of [
  ['awaiting', (section: ReturnType<typeof sectionOf>) => section.waitForView(PAGE)],
  ['blocking', (section: ReturnType<typeof sectionOf>) => section.waitForViewSync(PAGE)],
] as const) {
  test(`a region that rests comes free in its time, for who waits for it (${how})`, async (t) => {
    const { port } = await connectedPair(t, ['view']);
    const section = sectionOf(port);
    const view = section.createView(PAGE);
    const resting = new RestingViews(30);
    resting.add(view.region);
    view.release();
    assert.equal(section.free, 0);
    assert.equal(section.tryCreateView(PAGE), undefined);
    (await wait(section)).release();
    assert.equal(section.free, PAGE);
    assert.equal(resting.collect(), false);
  });
}

test('who awaits a region that rests has it in its time, though a timer comes a little early', async (t) => {
  const { port } = await connectedPair(t, ['view']);
  const section = sectionOf(port);
  const view = section.createView(PAGE);
  const resting = new RestingViews(100);
  resting.add(view.region);
  view.release();
  const { setTimeout } = globalThis;
  const early = t.mock.method(globalThis, 'setTimeout', (callback: () => void, milliseconds: number) => setTimeout(callback, Math.max(1, milliseconds - 20)));
  (await section.waitForView(PAGE, { timeout: 10_000 })).release();
  early.mock.restore();
});

function sectionOf(port: Awaited<ReturnType<typeof connectedPair>>['port']): ReturnType<typeof port.createSection> {
  return port.createSection(PAGE);
}
