/** Who waits for a message stops waiting when its time is over, or its signal says so, whatever is called while it looks. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Intake, type Source } from '../../src/ports/intake.js';
import { outcomeOf, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';

/** An intake of a source that has nothing; what is called as it is asked for messages. */
function intakeOf(called: Partial<Pick<Source<string>, 'take' | 'poll'>>): Intake<string> {
  const nothing = (): undefined => undefined;
  return new Intake({ take: nothing, poll: nothing, hasMessages: () => false, places: () => 0, demand: nothing, over: nothing, ...called }, { emit: nothing }, false);
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
