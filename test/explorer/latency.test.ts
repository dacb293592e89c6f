/** What is told of how calls are measured is what the meter does. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Control, LATENCY_PLACES } from '../../src/memory/layout.js';
import { LatencyMeter } from '../../src/ports/latency-meter.js';
import { histogramOf } from '../../src/explorer/pages.js';
import { withLedger } from '../support/ledger.js';

withLedger();

test('of the fastest calls one is measured for as many as is told, and never for more', (t) => {
  t.after(() => mock.restoreAll());
  const clock = { now: 0 };
  mock.method(performance, 'now', () => clock.now);
  const words = new Int32Array(1024);
  const row = words.subarray(Control.latencies, Control.latencies + LATENCY_PLACES);
  const meter = new LatencyMeter({ words });
  const stoodFor = new Set<number>();
  let counted = 0;
  for (let id = 1; id <= 1000; id++) {
    meter.begin(id);
    clock.now += 0.0001;
    meter.end(id);
    const now = row.reduce((sum, count) => sum + count, 0);
    if (now > counted) stoodFor.add(now - counted);
    counted = now;
  }
  const histogram = histogramOf([[...row]])!;
  assert.equal(Math.max(...stoodFor), histogram.sampledOneIn);
  assert.equal(histogram.count, counted);
});
