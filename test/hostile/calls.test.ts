/**
 * Ports as a state machine: any sequence of calls, legal or not, on a server and its clients, agrees with a simple model of them. Sequences
 * that do not are made short by fast-check, which prints the seed that brings them back.
 *
 * In the long form (`npm run test:long`) a hundred thousand sequences.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { atEnd } from '../support/at-end.js';
import { isLong, times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { Machine } from './machine.js';

withLedger();

type StepName = keyof Machine['steps'];

/** How often each step is taken, beside the others. */
const WEIGHTS: Record<StepName, number> = {
  'open': 2,
  'connect': 4,
  'decide': 4,
  'post': 5,
  'request': 8,
  'abort': 3,
  'receive at the server': 14,
  'reply': 8,
  'post from the server': 5,
  'receive at a client': 7,
  'close a client': 2,
  'disconnect': 2,
  'close the server': 1,
  'ask for what can not be': 1,
  'let time pass': 2,
};

/** The model is the machine's own; beside it the steps are counted. */
interface Taken {
  steps: number;
}

class Step implements fc.AsyncCommand<Taken, Machine> {
  constructor(readonly name: StepName, readonly which: number, readonly how: number) {}

  check(): boolean {
    return true; // what is illegal is called too
  }

  async run(taken: Taken, machine: Machine): Promise<void> {
    taken.steps++;
    await machine.steps[this.name](this.which, this.how);
  }

  toString(): string {
    return `${this.name}(${this.which}, ${this.how})`;
  }
}

const step = fc.oneof(...Object.entries(WEIGHTS).map(([name, weight]) => ({ weight, arbitrary: fc.tuple(fc.nat(7), fc.nat(11)).map(([which, how]) => new Step(name as StepName, which, how)) })));

for (const asks of [false, true]) {
  test(`43: any sequence of calls on a port that ${asks ? 'asks about each client' : 'lets everyone in'} agrees with the model`, async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'alpc-machine-'));
    atEnd(t, () => rmSync(root, { recursive: true }));
    const taken: Taken = { steps: 0 };
    let runs = 0;
    const deadline = isLong ? Infinity : performance.now() + 4000;
    await fc.assert(
      fc.asyncProperty(fc.commands([step], { maxCommands: 60, size: 'max' }), async (commands) => {
        if (performance.now() > deadline) return; // a sequence that has begun is not left in its middle
        runs++;
        const machine = new Machine(root, asks);
        await machine.steps.open();
        try {
          await fc.asyncModelRun(() => ({ model: taken, real: machine }), commands);
        } finally {
          await machine.finish();
        }
      }),
      { numRuns: times(400, 50_000) },
    );
    t.diagnostic(`${runs} sequences, ${taken.steps} calls`);
  });
}
