/** Validators: any of Standard Schema, tried with zod, valibot and arktype; checked where a value arrives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type as ark } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { bind, call, defineInterface, oneWay, serve, stream } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, until } from './expect.js';

withLedger();

const SCHEMAS = {
  zod: { job: z.object({ name: z.string(), pages: z.number().int().positive() }), count: z.number().max(100) },
  valibot: { job: v.object({ name: v.string(), pages: v.pipe(v.number(), v.integer(), v.minValue(1)) }), count: v.pipe(v.number(), v.maxValue(100)) },
  arktype: { job: ark({ name: 'string', pages: 'number.integer > 0' }), count: ark('number <= 100') },
};

for (const [name, { job, count }] of Object.entries(SCHEMAS)) {
  test(`${name}: what fits is handled, what does not is refused with its path, in both directions`, async (t) => {
    temporaryRoot(t);
    const Checked = defineInterface({ name: 'checked', version: '1.0' }, { print: call({ input: job, output: count }), note: oneWay({ input: job }), pages: stream({ input: job, items: count, output: count }) });
    const noted: unknown[] = [];
    const faults: unknown[] = [];
    type Job = { name: string; pages: number };
    const server = await serve(
      Checked as never,
      {
        print: (input: Job) => input.pages * 10,
        note: (input: Job) => noted.push(input),
        async *pages(input: Job, _: unknown, items: AsyncIterable<number>) {
          yield input.pages;
          for await (const item of items) yield item;
        },
      } as never,
      { endpoint: 'checked' },
    );
    atEnd(t, () => server.close());
    server.on('fault', (error) => faults.push(error));
    using client = (await bind(Checked, 'checked')) as unknown as Disposable & { print: (input: unknown) => Promise<number>; note: (input: unknown) => Promise<void>; pages: (input: unknown, options: { items: unknown[] }) => AsyncIterable<number> };
    assert.equal(await client.print({ name: 'a', pages: 2 }), 20);
    await assert.rejects(client.print({ name: 'a', pages: 0 }), (error: Error) => failsWith('ERR_ALPC_BAD_VALUE')(error) && /the input of checked\.print does not fit its schema: pages: /.test(error.message));
    await assert.rejects(client.print({ name: 'a', pages: 11 }), (error: Error) => failsWith('ERR_ALPC_BAD_VALUE')(error) && /the output of checked\.print/.test(error.message));
    await client.note({ name: 'a' });
    await client.note({ name: 'a', pages: 1 });
    await until('one was noted, one refused', () => noted.length === 1 && faults.length === 1);
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const item of client.pages({ name: 'a', pages: 1 }, { items: [5, 'six'] })) seen.push(item);
    });
    assert.deepEqual(seen, [1, 5]);
  });
}

test('what a schema transforms, the receiver sees transformed; asynchronous ones are waited for, but not by a blocking call', async (t) => {
  temporaryRoot(t);
  const When = z.string().transform((text) => new Date(text));
  const Later = z.string().refine(async (text) => Promise.resolve(text !== 'bad'));
  const Times = defineInterface({ name: 'times', version: '1.0' }, { year: call({ input: When, output: z.number() }), later: call({ input: Later, output: Later }) });
  const server = await serve(Times, { year: (date) => date.getUTCFullYear(), later: (text) => `${text}!` }, { endpoint: 'times' });
  atEnd(t, () => server.close());
  using client = await bind(Times, 'times');
  assert.equal(await client.year('2001-02-03'), 2001);
  assert.equal(await client.later('x'), 'x!');
  await assert.rejects(client.later('bad'), failsWith('ERR_ALPC_BAD_VALUE'));
});
