/** A thread that blocks for a region: for how long it looks at memory, and on whom it sleeps. With views and ports: test/ports/view-room.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReleaseSource, RegionWaits } from '../../src/memory/region-waits.js';
import { failsWith } from '../process/expect.js';

/** Somebody who has views and releases one when asked whether he will ring. */
class Holder implements ReleaseSource {
  readonly socket = -1;
  looked = 0;
  armed = 0;
  expected = 0;

  constructor(
    readonly looks: number,
    readonly isOfThisThread = false,
  ) {}

  collect(): boolean {
    return this.armed > 0;
  }

  hasNews(): boolean {
    this.looked++;
    return false;
  }

  expect(change: number): void {
    this.expected += change;
  }

  arm(): boolean {
    this.armed++;
    return false;
  }

  awake(): void {}
}

test('who blocks looks at memory as long as the ports do through which the views went, and not at all where they do not', () => {
  for (const [looks, least] of [[0, 0], [40, 40]] as const) {
    const holder = new Holder(looks);
    const waits = new RegionWaits<string>('a section');
    waits.add(holder);
    assert.equal(waits.block(60_000, () => (holder.armed > 0 ? 'a view' : undefined)), 'a view');
    assert.equal(holder.looked, least);
  }
});

test('who blocks sleeps on those alone who can release anything meanwhile', () => {
  const [own, other] = [new Holder(0, true), new Holder(0)];
  const waits = new RegionWaits<string>('a section');
  waits.add(own);
  assert.throws(() => waits.block(60_000, () => undefined), failsWith('ERR_ALPC_DEADLOCK'));
  waits.add(other);
  assert.equal(waits.block(60_000, () => (other.armed > 0 ? 'a view' : undefined)), 'a view');
  assert.equal(own.armed, 0);
});

test('a view that has come free when the time to wait for it is over is given, though nobody has looked yet', async () => {
  const waits = new RegionWaits<string>('a section');
  let isFree = false;
  const holder = new Holder(0);
  holder.collect = () => (isFree = true);
  waits.add(holder);
  assert.equal(await waits.wait({ timeout: 1 }, () => (isFree ? 'a view' : undefined)), 'a view');
  assert.equal(waits.isWaitedFor, false);
});

test('who gives up in the middle of an attempt for him leaves what there is to those behind him', async () => {
  const waits = new RegionWaits<string>('a section');
  const abort = new AbortController();
  let attempts = 0;
  const first = waits.wait({ signal: abort.signal }, () => {
    if (++attempts > 1) abort.abort(new RangeError('given up'));
    return undefined;
  });
  let isFree = false;
  const second = waits.wait(undefined, () => (isFree ? 'a view' : undefined));
  isFree = true;
  waits.serve();
  await assert.rejects(first, RangeError);
  assert.equal(await second, 'a view');
});
