/** Who waits for a message stops waiting when its time is over, or its signal says so, whatever is called while it looks. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Intake, type Source } from '../../src/ports/intake.js';
import { outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';

/** An intake of a source that has nothing; what is called as it is asked for messages. */
function intakeOf(called: Partial<Pick<Source<string>, 'take' | 'poll' | 'keep'>>): Intake<string> {
  const nothing = (): undefined => undefined;
  return new Intake({ take: nothing, poll: nothing, hasMessages: () => false, places: () => 0, demand: nothing, keep: nothing, over: nothing, ...called }, { emit: nothing }, false);
}

/** How a wait ended, once it has. */
async function endOf(wait: Promise<string>): Promise<string> {
  const outcomes: string[] = [];
  void outcomeOf(wait.then(() => undefined)).then((outcome) => outcomes.push(outcome));
  await until('it has ended', () => outcomes.length > 0);
  return outcomes[0]!;
}

function uncaughtIn(t: TestContext): string[] {
  const thrown: string[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(String(error)));
  atEnd(t, () => process.setUncaughtExceptionCaptureCallback(null));
  return thrown;
}

test('a wait ends by its timeout though a callback that is read at that moment throws, and the error is told', async (t) => {
  const uncaught = uncaughtIn(t);
  const intake = intakeOf({ poll: () => { throw new Error('thrown by the callback'); } });
  assert.equal(await endOf(intake.receive({ timeout: 1 })), 'ERR_ALPC_TIMEOUT');
  assert.equal(intake.isWanted, false);
  assert.deepEqual(uncaught, ['Error: thrown by the callback']);
});

test('a wait ends by its signal though that says so in a callback which is read as the wait begins', async () => {
  const withdraw = new AbortController();
  const take = (): undefined => {
    withdraw.abort(new RangeError('withdrawn in a callback'));
    return undefined;
  };
  const intake = intakeOf({ take });
  assert.equal(await endOf(intake.receive({ signal: withdraw.signal })), 'RangeError');
  assert.equal(intake.isWanted, false);
});

test('a message that was read for somebody who gave up as it was read is kept for the next, or is the next one\'s', async () => {
  for (const nextAsks of [false, true]) {
    const withdraw = new AbortController();
    const there = ['precious'];
    const kept: string[] = [];
    const take = (): string | undefined => {
      const message = there.pop();
      if (message !== undefined) withdraw.abort(new RangeError('withdrawn by a subscriber'));
      return message;
    };
    const intake = intakeOf({ take: () => (withdrawn.length === 0 ? undefined : take()), keep: (message) => void kept.push(message) });
    const withdrawn: string[] = [];
    const wait = endOf(intake.receive({ signal: withdraw.signal }));
    const next = nextAsks ? intake.receive() : undefined;
    withdrawn.push('from now on');
    intake.deliver();
    assert.equal(await wait, 'RangeError');
    assert.deepEqual(kept, nextAsks ? [] : ['precious']);
    if (next !== undefined) assert.equal(await next, 'precious');
  }
});

test('a message that is read as the time of a wait is over, whose signal says so too as it is read, is kept', async () => {
  const withdraw = new AbortController();
  const kept: string[] = [];
  const poll = (): string => {
    withdraw.abort(new RangeError('withdrawn by a subscriber'));
    return 'precious';
  };
  const intake = intakeOf({ poll, keep: (message) => void kept.push(message) });
  assert.equal(await endOf(intake.receive({ timeout: 1, signal: withdraw.signal })), 'RangeError');
  assert.deepEqual(kept, ['precious']);
});

test('an iterator that has ended takes nothing: what it was asked for is done, and so is what it is asked for then', async () => {
  const there: string[] = [];
  const intake = intakeOf({ take: () => there.shift() });
  const [ended, other] = [intake.iterate(), intake.iterate()];
  const pending = [ended.next(), other.next(), ended.next()];
  assert.deepEqual(await ended.return!(), { done: true, value: undefined });
  there.push('for the other');
  intake.deliver();
  assert.deepEqual(await Promise.all(pending), [{ done: true, value: undefined }, { done: false, value: 'for the other' }, { done: true, value: undefined }]);
  there.push('more');
  assert.deepEqual([await ended.next(), there], [{ done: true, value: undefined }, ['more']]);
});
