/** How long requests take, as inspectors see it: what is counted where, and what is not. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Control, LATENCY_PLACES } from '../../src/memory/layout.js';
import { LatencyMeter, placeOf } from '../../src/ports/latency-meter.js';

/** A meter whose clock is set by hand, and what it has counted, as [place, count] pairs. */
function makeMeter(): { meter: LatencyMeter; words: Int32Array; counts: () => [number, number][]; after: (milliseconds: number) => void } {
  const words = new Int32Array(1024);
  const clock = { now: 0 };
  mock.method(performance, 'now', () => clock.now);
  const counts = (): [number, number][] => Array.from(words.subarray(Control.latencies, Control.latencies + LATENCY_PLACES).entries()).filter(([, count]) => count > 0);
  return { meter: new LatencyMeter({ words }), words, counts, after: (milliseconds) => void (clock.now += milliseconds) };
}

function call({ meter, after }: ReturnType<typeof makeMeter>, id: number, milliseconds: number): void {
  meter.begin(id);
  after(milliseconds);
  meter.end(id);
}

test('a place is for all times up to 2^((place-4)/4) microseconds and above the place before, the last for all above', () => {
  assert.deepEqual([0, 0.1, 0.5, 0.55, 1, 1.1, 2, 4].map(placeOf), [0, 0, 0, 1, 4, 5, 8, 12]);
  assert.equal(placeOf(1e12), LATENCY_PLACES - 1);
  for (let place = 1; place < LATENCY_PLACES - 1; place++) {
    const upTo = 2 ** ((place - 4) / 4);
    assert.equal(placeOf(upTo * 0.999), place);
    assert.equal(placeOf(upTo * 1.001), place + 1);
  }
});

test('of fast calls one is measured for as many as take 64 microseconds together, and stands for those before it', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  for (let id = 1; id <= 33; id++) call(made, id, id % 16 === 1 ? 0.0039 : 50);
  assert.deepEqual(made.counts(), [[placeOf(4), 33]]);
});

test('however fast they are, one in 64 is measured', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  for (let id = 1; id <= 129; id++) call(made, id, id % 64 === 1 ? 0.0001 : 50);
  assert.deepEqual(made.counts(), [[0, 129]]);
});

test('calls of more than 32 microseconds are measured each', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  for (let id = 1; id <= 5; id++) call(made, id, 0.033);
  assert.deepEqual(made.counts(), [[placeOf(33), 5]]);
});

test('slow calls are measured each', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  for (let id = 1; id <= 5; id++) call(made, id, id * 10);
  assert.deepEqual(made.counts(), [10, 20, 30, 40, 50].map((ms) => [placeOf(ms * 1000), 1]));
});

test('with many calls in flight the one that is measured is not given up for a later one', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  for (let id = 1; id <= 64; id++) made.meter.begin(id);
  made.after(1);
  for (let id = 1; id <= 64; id++) made.meter.end(id);
  assert.deepEqual(made.counts(), [[placeOf(1000), 1]]);
});

test('a call that comes to nothing is not counted, and the next one is', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  made.meter.begin(1);
  made.after(100);
  made.meter.drop(1);
  made.meter.end(1);
  assert.deepEqual(made.counts(), []);
  for (let id = 2; id <= 18; id++) call(made, id, id === 2 || id === 18 ? 0.0039 : 50);
  assert.deepEqual(made.counts(), [[placeOf(4), 18]]);
});

test('numbers that wrap around are numbers like others', (t) => {
  t.after(() => mock.restoreAll());
  const made = makeMeter();
  const run = (from: number, count: number): void => {
    for (let i = 0; i < count; i++) call(made, (from + i) | 0, 1.1);
  };
  run(2 ** 31 - 20, 10); // the first of them stands for all before it
  made.words.fill(0);
  run(2 ** 31 - 10, 30);
  assert.deepEqual(made.counts(), [[placeOf(1100), 30]]);
});
