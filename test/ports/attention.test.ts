/**
 * Attention: who is looked at in which turn of the loop, and who rests. The turns are made by hand here, and the clock too,
 * so that each step can be seen.
 */
import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { Attention, type Attentive, Linger } from '../../src/ports/attention.js';
import { libc } from '../../src/platform/system.js';
import { atEnd } from '../support/at-end.js';
import { turnsUntil } from '../support/turns.js';
import { withLedger } from '../support/ledger.js';

withLedger();

/** A port that has something to look at as often as `work` says, and notes what is done with it. */
class Port implements Attentive {
  readonly linger: Linger;
  readonly log: string[] = [];
  work = 0;
  /** Whether something comes in the moment in which it prepares to rest. */
  refusesToRest = false;
  onLook: () => void = () => {};

  constructor(linger = 1) {
    this.linger = new Linger(linger);
  }

  look(): boolean {
    this.log.push('look');
    this.onLook();
    return this.work-- > 0;
  }

  rest(): boolean {
    this.log.push('rest');
    return !this.refusesToRest;
  }

  attend(): void {
    this.log.push('attend');
  }

  /** What was done since the last time. */
  take(): string {
    return this.log.splice(0).join(' ');
  }
}

/** An event loop and a clock by hand. */
class Hands {
  now = 1000;
  readonly #turns: (() => void)[] = [];

  constructor(t: TestContext) {
    mock.method(globalThis, 'setImmediate', ((callback: () => void) => void this.#turns.push(callback)) as unknown as typeof setImmediate);
    mock.method(performance, 'now', () => this.now);
    atEnd(t, () => mock.restoreAll());
  }

  get scheduled(): number {
    return this.#turns.length;
  }

  /** With the ticks that follow. */
  turn(milliseconds = 0): void {
    this.now += milliseconds;
    const ticks: (() => void)[] = [];
    const ticking = mock.method(process, 'nextTick', (callback: () => void) => void ticks.push(callback));
    try {
      for (const callback of this.#turns.splice(0)) callback();
    } finally {
      ticking.mock.restore();
    }
    for (const tick of ticks) tick();
  }
}

test('a port under attention is looked at once in each turn, from the next turn on', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const port = new Port();
  port.work = 3;
  attention.watch(port);
  attention.watch(port);
  assert.equal(port.take(), 'attend');
  assert.equal(hands.scheduled, 1);
  for (let i = 0; i < 3; i++) {
    hands.turn();
    assert.equal(port.take(), 'look');
    assert.equal(hands.scheduled, 1);
  }
});

test('a port that has had nothing for its while prepares its doorbell and rests; then nothing is scheduled any more', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const port = new Port(1);
  port.work = 1;
  attention.watch(port);
  hands.turn();
  hands.turn(0.5);
  assert.equal(port.take(), 'attend look look');
  hands.turn(0.5);
  assert.equal(port.take(), 'look rest');
  assert.equal(port.linger.attended, false);
  assert.equal(hands.scheduled, 0, 'an idle process uses no processor');
});

test('a port to which something comes as it prepares to rest is looked at again', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const port = new Port(0);
  port.refusesToRest = true;
  attention.watch(port);
  hands.turn();
  hands.turn();
  assert.equal(port.take(), 'attend look rest look rest');
  assert.equal(port.linger.attended, true);
  port.refusesToRest = false;
  hands.turn();
  assert.equal(port.take(), 'look rest');
  assert.equal(hands.scheduled, 0);
});

test('of the activities that end a rest every 32nd is followed by a longer while; in vain, the next is as short as ever', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const port = new Port(1);
  /** For how long it is looked at after one activity, in tenths of a millisecond. */
  const whileAfterOne = (): number => {
    hands.turn(1000);
    port.work = 1;
    attention.watch(port);
    hands.turn();
    for (let tenths = 0; ; tenths++) {
      if (!port.linger.attended) return tenths;
      hands.turn(0.1);
    }
  };
  whileAfterOne(); // never rested before
  for (const round of [1, 2]) {
    const whiles = Array.from({ length: 32 }, whileAfterOne);
    assert.deepEqual(whiles.map((tenths) => tenths > 10), Array.from({ length: 32 }, (_, i) => i === 31), `round ${round}: ${whiles}`);
    assert.ok(whiles[31]! >= 80, `${whiles[31]}`);
  }
});

test('a port that rests is taken under attention again by the next watch', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const port = new Port(0);
  attention.watch(port);
  hands.turn();
  assert.equal(port.take(), 'attend look rest');
  port.work = 1;
  attention.watch(port);
  hands.turn();
  assert.equal(port.take(), 'attend look');
});

test('a port that is forgotten is not looked at again, whether it was watched or not', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const [port, other] = [new Port(), new Port()];
  attention.watch(port);
  attention.forget(port);
  attention.forget(other);
  hands.turn();
  assert.equal(port.take(), 'attend');
  assert.equal(hands.scheduled, 0);
});

test('a port that closes as it is looked at is not asked to rest, and nobody else loses its place for it', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const [closes, stays] = [new Port(0), new Port()];
  stays.work = 2;
  attention.watch(stays);
  attention.watch(closes);
  closes.onLook = () => attention.forget(closes);
  hands.turn();
  assert.equal(closes.take(), 'attend look');
  hands.turn();
  assert.deepEqual([closes.take(), stays.take()], ['', 'attend look look']);
});

test('ports that come and go while others are looked at: none that stays is missed in the next turn, none that left is looked at', (t) => {
  const hands = new Hands(t);
  for (let who = 0; who < 4; who++) {
    for (let leaves = 0; leaves < 4; leaves++) {
      const attention = new Attention();
      const ports = Array.from({ length: 4 }, () => new Port());
      const newcomer = new Port();
      for (const port of [...ports, newcomer]) port.work = 2;
      ports.forEach((port) => attention.watch(port));
      ports[who]!.onLook = () => {
        attention.forget(ports[leaves]!);
        attention.watch(newcomer);
        ports[who]!.onLook = () => {};
      };
      hands.turn();
      [...ports, newcomer].forEach((port) => port.take());
      hands.turn();
      const seen = [...ports, newcomer].map((port) => port.take());
      assert.deepEqual(seen, [0, 1, 2, 3, 4].map((i) => (i === leaves ? '' : 'look')), `${leaves} leaves while ${who} is looked at`);
      [...ports, newcomer].forEach((port) => attention.forget(port));
      hands.turn();
    }
  }
});

test('an exception of a handler ends the turn and not the watch: every port is looked at again', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const ports = Array.from({ length: 3 }, () => new Port());
  for (const port of ports) {
    port.work = 2;
    attention.watch(port);
  }
  ports[1]!.onLook = () => {
    ports[1]!.onLook = () => {};
    throw new Error('thrown by a handler');
  };
  assert.throws(() => hands.turn(), /thrown by a handler/);
  assert.equal(hands.scheduled, 2); // the next turn, and what sees to it that the error is thrown
  ports.forEach((port) => port.take());
  hands.turn();
  assert.deepEqual(ports.map((port) => port.take()), ['look', 'look', 'look']);
});

test('handlers that throw in every turn keep nobody from being looked at', (t) => {
  const hands = new Hands(t);
  const attention = new Attention();
  const ports = Array.from({ length: 6 }, () => new Port());
  for (const port of ports) {
    port.work = Infinity;
    attention.watch(port);
  }
  for (const at of [5, 2, 3]) {
    ports[at]!.onLook = () => {
      throw new Error(`thrown by the handler of port ${at}`);
    };
  }
  const thrown: unknown[] = [];
  for (let i = 0; i < 40; i++) {
    ports.forEach((port) => port.take());
    for (let turns = 0; turns < 4; turns++) {
      try {
        hands.turn();
      } catch (error) {
        thrown.push(error);
      }
    }
    for (const [at, port] of ports.entries()) assert.match(port.take(), /look/, `port ${at} in turns ${4 * i} to ${4 * i + 3}`);
  }
  assert.ok(thrown.length >= 120 && new Set(thrown.map(String)).size === 3);
});

test('on a real loop a port that lingers for nothing rests after one look, and the process may end', async () => {
  const attention = new Attention();
  const port = new Port(0);
  attention.watch(port);
  await turnsUntil(() => !port.linger.attended);
  assert.equal(port.take(), 'attend look rest');
});

test('lingering lasts its full while after each activity, and is over exactly then', () => {
  const linger = new Linger(4);
  linger.active(100);
  assert.deepEqual([linger.isOver(100), linger.isOver(103.9), linger.isOver(104)], [false, false, true]);
  linger.active(103);
  assert.deepEqual([linger.isOver(106.9), linger.isOver(107)], [false, true]);
});

test('each rest that nothing followed at once halves the while, down to nothing', () => {
  const linger = new Linger(4);
  const whiles: number[] = [];
  let now = 0;
  for (let i = 0; i < 14; i++) {
    now += 1000;
    linger.active(now);
    let over = 0;
    while (!linger.isOver(now + over)) over += 1 / 1024;
    whiles.push(over);
    linger.rested(now + over);
  }
  assert.deepEqual(whiles.slice(0, 4), [4, 2, 1, 0.5]);
  assert.equal(whiles.at(-1), 0);
  assert.deepEqual(whiles, whiles.toSorted((a, b) => b - a));
});

test('activity soon after a rest shows that lingering would have paid: the while is full again', () => {
  const linger = new Linger(4);
  linger.active(1000);
  for (let i = 0; i < 12; i++) linger.rested(1000);
  linger.active(1100);
  assert.equal(linger.isOver(1100), true);
  linger.rested(1100);
  linger.active(1103.9);
  assert.equal(linger.isOver(1107.8), false);
});

test('a port that never lingers never does', () => {
  const linger = new Linger(0);
  for (const now of [0, 1, 1, 500]) {
    linger.active(now);
    assert.equal(linger.isOver(now), true);
    linger.rested(now);
  }
});

/** How often the core was offered to others. */
function countYields(): () => number {
  const calls = mock.method(libc(), 'sched_yield', () => 0).mock;
  return () => calls.callCount();
}

test('who was woken by a bell gives its core away with its first answer, and not with the next one', (t) => {
  const hands = new Hands(t);
  const yields = countYields();
  const attention = new Attention();
  const port = new Port();
  port.work = 1;
  port.onLook = () => {
    attention.answered();
    assert.equal(yields(), 1);
    attention.answered();
  };
  attention.hear(port);
  assert.deepEqual([yields(), hands.scheduled], [1, 1]);
});

test('a handler that awaits before it answers does so too, and its core is not given away before', (t) => {
  const hands = new Hands(t);
  const yields = countYields();
  const attention = new Attention();
  const port = new Port();
  port.work = 1;
  attention.hear(port);
  hands.turn();
  assert.equal(yields(), 0, 'nothing came in this turn, and the handler has not gone on yet');
  attention.answered();
  assert.equal(yields(), 1);
});

test('who was awake answers without giving its core away', (t) => {
  const hands = new Hands(t);
  const yields = countYields();
  const attention = new Attention();
  const port = new Port();
  port.work = 3;
  attention.watch(port);
  hands.turn();
  attention.answered();
  assert.equal(yields(), 0);
  attention.hear(port);
  hands.turn();
  hands.turn();
  const before = yields();
  attention.answered();
  assert.equal(yields(), before, 'two turns after the bell it is awake as any other');
});
