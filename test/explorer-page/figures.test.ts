/** The page's figures: latency, rates, the picture of the whole, what is written of them, and what is remembered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatMicroseconds, formatRate, formatSpan, plural } from '../../explorer-page/logic/format.js';
import { difference, LatencyHistory, quantile, withoutEmptyEnds } from '../../explorer-page/logic/latency.js';
import { pictureOf, shortCommand, widthOf } from '../../explorer-page/logic/picture.js';
import { RatesOfPort } from '../../explorer-page/logic/rates.js';
import { Settings } from '../../explorer-page/logic/settings.js';
import type { LatencyHistogram } from '../../src/explorer/model.js';
import { readFixture } from './fixture-server.js';

function histogram(...counts: number[]): LatencyHistogram {
  return { sampledOneIn: 1, count: counts.reduce((a, b) => a + b, 0), buckets: counts.map((count, index) => ({ upToMicroseconds: index === counts.length - 1 ? null : 2 ** index, count })) };
}

test('a quantile lies in the bucket that holds it, and above all of them at the last bound', () => {
  const { buckets } = histogram(0, 10, 10, 0, 5);
  assert.equal(quantile(buckets, 0.4), 2);
  assert.equal(quantile(buckets, 0.6), 3);
  assert.equal(quantile(buckets, 0.99), 8);
  assert.equal(quantile(histogram(0, 0).buckets, 0.5), undefined);
});

test('the difference of two histograms is what happened between them, never less than nothing', () => {
  assert.deepEqual(difference(histogram(3, 5, 1), histogram(1, 5, 2)).buckets.map(({ count }) => count), [2, 0, 0]);
  assert.deepEqual(withoutEmptyEnds(histogram(0, 3, 0, 2, 0).buckets).map(({ count }) => count), [3, 0, 2]);
  assert.deepEqual(withoutEmptyEnds(histogram(0, 0).buckets), []);
});

test('the line over time has one sample for every two pictures, keeps the last ones, and passes over a picture that is not later', () => {
  const history = new LatencyHistory(2);
  const at = (second: number): string => new Date(second * 1000).toISOString();
  history.push(at(0), histogram(0, 0, 0));
  history.push(at(2), histogram(0, 10, 0));
  history.push(at(2), histogram(0, 99, 0));
  assert.deepEqual(history.samples.map(({ at, callsPerSecond, medianMicroseconds }) => [at, callsPerSecond, medianMicroseconds]), [[2, 5, 1.5]]);
  history.push(at(3), histogram(0, 10, 0));
  assert.equal(history.samples.at(-1)!.medianMicroseconds, undefined);
  history.push(at(4), histogram(4, 10, 0));
  assert.deepEqual(history.samples.map(({ at }) => at), [3, 4]);
});

test('rates count what passed on connections, and one that ended or began is no jump below nothing', () => {
  const { port } = readFixture().objects['\\RPC Control\\spooler']!;
  const rates = new RatesOfPort();
  rates.push(port);
  assert.deepEqual(rates.rates, {});
  const [first, ...rest] = structuredClone(port!.connections);
  first!.client.outbox!.sent.messages += 50;
  rates.push({ ...port!, at: new Date(Date.parse(port!.at) + 2000).toISOString(), connections: [first!, ...rest.slice(1)] });
  assert.equal(rates.rates.clientToServer, 25);
  assert.equal(rates.rates.serverToClient, 0);
});

test('the picture has a node for each process and one for what can not be seen, and shows waits and circles', () => {
  const { graph } = readFixture();
  const { nodes, edges } = pictureOf(graph);
  for (const { pid } of graph.processes) assert.ok(nodes.some(({ id }) => id === String(pid)), String(pid));
  for (const { source, target } of edges) assert.ok([source, target].every((end) => nodes.some(({ id }) => id === end)));
  const inCycle = edges.filter(({ isInCycle }) => isInCycle).map(({ source, target }) => [source, target]);
  assert.deepEqual(inCycle.toSorted(), graph.cycles[0]!.waits.map(({ thread, on }) => [String(thread.pid), String(on!.pid)]).toSorted());
  assert.ok(edges.every(({ isInCycle, isWaiting }) => !isInCycle || isWaiting));
  assert.ok(nodes.find(({ pid }) => pid === graph.cycles[0]!.waits[0]!.thread.pid)!.isStuck);
});

test('connections of the same processes over the same port are one edge, as wide as what passed between two pictures', () => {
  const { graph } = readFixture();
  const [first] = graph.connections;
  const traffic = (messages: number): { messages: number; bytes: number } => ({ messages, bytes: messages * 8 });
  const take = (at: string, messages: number): typeof graph => ({ ...graph, at, waits: [], cycles: [], connections: ['1', '2'].map((id) => ({ ...first!, id, clientToServer: traffic(messages), serverToClient: traffic(messages) })) });
  const { edges } = pictureOf(take('2026-08-01T10:00:02.000Z', 1100), take('2026-08-01T10:00:00.000Z', 100));
  assert.equal(edges.length, 1);
  assert.deepEqual([edges[0]!.connections, edges[0]!.messagesPerSecond, edges[0]!.bytesPerSecond], [2, 2000, 16_000]);
  assert.ok(widthOf(0) < widthOf(10) && widthOf(10) < widthOf(1000) && widthOf(1e12) === widthOf(1e15));
});

test('a command is known by its script or its program', () => {
  assert.equal(shortCommand('node --no-warnings /srv/spooler.js --port x.js'), 'spooler.js');
  assert.equal(shortCommand('/usr/bin/node'), 'node');
  assert.equal(shortCommand('/usr/bin/python3 a.py'), 'python3');
});

test('figures are written in a few characters', () => {
  assert.deepEqual([0, 1023, 1536, 131_072].map(formatBytes), ['0 B', '1023 B', '1.5 KiB', '128 KiB']);
  assert.deepEqual([0.85, 12, 1500, 2_000_000].map(formatMicroseconds), ['850 ns', '12 µs', '1.5 ms', '2 s']);
  assert.deepEqual([0, 4000, 185_000, 7_800_000, 270_000_000].map(formatSpan), ['0 s', '4 s', '3 min 5 s', '2 h 10 min', '3 d 3 h']);
  assert.deepEqual([0, 2.5, 12_345].map(formatRate), ['0/s', '2.5/s', '12,345/s']);
  assert.deepEqual([plural(1, 'process', 'processes'), plural(2000, 'object')], ['1 process', '2,000 objects']);
});

test('settings are remembered, and a storage that holds anything else or fails is as if it were empty', () => {
  const kept = new Map<string, string>();
  const store = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  new Settings(store).change({ path: '\\RPC Control', grouped: false, sorting: { by: 'type', descending: true } });
  const again = new Settings(store).data;
  assert.deepEqual([again.path, again.grouped, again.sorting], ['\\RPC Control', false, { by: 'type', descending: true }]);
  const defaults = new Settings().data;
  for (const text of ['', 'null', '[]', '7', '{', '{"path":7,"theme":"pink","sorting":{"by":"x"},"quickAccess":[1,"no"],"treeWidth":"wide"}']) {
    kept.set([...kept.keys()][0]!, text);
    const { quickAccess, ...rest } = new Settings(store).data;
    assert.deepEqual(rest, (({ quickAccess: _, ...others }) => others)(defaults), text);
    assert.ok(quickAccess.every((name) => name.startsWith('\\')));
  }
  const broken = { getItem: () => { throw new Error('forbidden'); }, setItem: () => { throw new Error('forbidden'); } };
  const settings = new Settings(broken);
  settings.change({ path: '\\A' });
  assert.equal(settings.data.path, '\\A');
});
