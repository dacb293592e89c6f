/** Validators: any of Standard Schema, tried with zod, valibot and arktype; checked where a value arrives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type as ark } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { bind, call, defineInterface, Fault, oneWay, RemoteError, type Schema, serve, stream, type } from '../../src/rpc/index.js';
import type { SchemaResult } from '../../src/rpc/schema.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, until } from './expect.js';
import { handlers, Times } from './times.js';
import type { News } from './times-actor.js';

withLedger();

const SCHEMAS = {
  zod: { job: z.object({ name: z.string(), pages: z.number().int().positive() }), count: z.number().max(100) },
  valibot: { job: v.object({ name: v.string(), pages: v.pipe(v.number(), v.integer(), v.minValue(1)) }), count: v.pipe(v.number(), v.maxValue(100)) },
  arktype: { job: ark({ name: 'string', pages: 'number.integer > 0' }), count: ark('number <= 100') },
};

for (const [name, { job, count }] of Object.entries(SCHEMAS)) {
  test(`${name}: what fits is handled, what does not is refused with its path, in both directions`, async (t) => {
    temporaryRoot(t);
    const Checked = defineInterface({ name: 'checked', version: '1.0' }, { print: call({ input: job, output: count, errors: { jam: job } }), note: oneWay({ input: job }), pages: stream({ input: job, items: count, output: count, errors: { jam: job } }) });
    const noted: unknown[] = [];
    const faults: unknown[] = [];
    type Job = { name: string; pages: number };
    const server = await serve(
      Checked as never,
      {
        print(input: Job) {
          if (input.name === 'jams') throw new Fault('jam', { name: 'b', pages: input.pages - 1 });
          return input.pages * 10;
        },
        note: (input: Job) => noted.push(input),
        async *pages(input: Job, _: unknown, items: AsyncIterable<number>) {
          yield input.pages;
          if (input.name === 'jams') throw new Fault('jam', { name: 'b', pages: input.pages - 1 });
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
    await assert.rejects(client.print({ name: 'jams', pages: 5 }), (error) => Fault.is(error, 'jam') && assert.deepEqual(error.data, { name: 'b', pages: 4 }) === undefined);
    await assert.rejects(client.print({ name: 'jams', pages: 1 }), (error: Error) => failsWith('ERR_ALPC_BAD_VALUE')(error) && /the data of error jam of checked\.print does not fit its schema: pages: /.test(error.message));
    await client.note({ name: 'a' });
    await client.note({ name: 'a', pages: 1 });
    await until('one was noted, one refused', () => noted.length === 1 && faults.length === 1);
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const item of client.pages({ name: 'a', pages: 1 }, { items: [5, 'six'] })) seen.push(item);
    });
    assert.deepEqual(seen, [1, 5]);
    const all = async (pages: number): Promise<void> => {
      for await (const _ of client.pages({ name: 'jams', pages }, { items: [] }));
    };
    await assert.rejects(all(5), (error) => Fault.is(error, 'jam') && assert.deepEqual(error.data, { name: 'b', pages: 4 }) === undefined);
    await assert.rejects(all(1), (error: Error) => failsWith('ERR_ALPC_BAD_VALUE')(error) && /the data of error jam of checked\.pages/.test(error.message));
  });
}

test('what a schema transforms, the receiver sees transformed; asynchronous ones are waited for, but not by a blocking call', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const actor = startActor<never, News>(t, new URL('./times-actor.js', import.meta.url));
  await actor.until('ready');
  using client = await bind(Times, 'times');
  assert.equal(await client.year('2001-02-03'), 2001);
  assert.equal(client.year.sync('2001-02-03'), 2001);
  assert.equal(await client.later('x'), 'x!');
  await assert.rejects(client.later('bad'), failsWith('ERR_ALPC_BAD_VALUE'));
  assert.throws(() => client.later.sync('x'), (error: Error) => failsWith('ERR_ALPC_INVALID_ARGUMENT')(error) && /the output's schema is asynchronous/.test(error.message));
});

test('the data of an error is what its schema makes of it, and an asynchronous one is waited for, but not by a blocking call', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const actor = startActor<never, News>(t, new URL('./times-actor.js', import.meta.url));
  await actor.until('ready');
  using client = await bind(Times, 'times');
  const { year, days } = Times.methods;
  const fails = async (text: string): Promise<void> => {
    for await (const _ of client.days(text));
  };
  const isSince = (error: unknown): boolean => Fault.is(error, year, 'since') && error.data.getUTCFullYear() === 1999 && error.message === 'since' && /times\.js/.test(error.remoteStack!);
  await assert.rejects(client.year('since'), isSince);
  assert.throws(() => client.year.sync('since'), isSince);
  await assert.rejects(fails('since'), (error) => Fault.is(error, days, 'since') && error.data.getUTCFullYear() === 1999);
  for (const failed of [client.year('later'), fails('later')]) await assert.rejects(failed, (error) => Fault.is(error, year, 'later') && error.data === 'soon');
  for (const failed of [client.year('bad'), fails('bad')]) await assert.rejects(failed, failsWith('ERR_ALPC_BAD_VALUE'));
  assert.throws(() => client.year.sync('later'), (error: Error) => failsWith('ERR_ALPC_INVALID_ARGUMENT')(error) && /an error's schema is asynchronous/.test(error.message));
});

test('an error that the server declares and its caller does not is to the caller one that nobody declared', async (t) => {
  temporaryRoot(t);
  const server = await serve(Times, handlers, { endpoint: 'times' });
  atEnd(t, () => server.close());
  const Older = defineInterface({ name: 'times', version: '1.0' }, { year: call({ input: type<string>(), output: type<number>(), errors: { other: type<string>() } }) });
  using client = await bind(Older, 'times');
  await assert.rejects(client.year('since'), (error) => !Fault.is(error) && error instanceof RemoteError && error.remoteName === 'since' && error.remoteStack !== undefined);
});

test('a schema that answers by a promise of its own kind is waited for', async (t) => {
  temporaryRoot(t);
  // oxlint-disable-next-line unicorn/no-thenable -- that is the point
  const validate = (value: unknown): Promise<SchemaResult<string>> => ({ then: (resolve: (result: SchemaResult<string>) => void) => setImmediate(() => resolve(value === 'good' ? { value: 'good!' } : { issues: [{ message: 'not good' }] })) }) as never;
  const Foreign: Schema<string> = { '~standard': { version: 1, vendor: 'test', validate } };
  const Of = defineInterface({ name: 'of', version: '1.0' }, { echo: call({ input: Foreign, output: type<string>() }) });
  const server = await serve(Of, { echo: (text) => text }, { endpoint: 'of' });
  atEnd(t, () => server.close());
  using client = await bind(Of, 'of');
  assert.equal(await client.echo('good'), 'good!');
  await assert.rejects(client.echo('bad'), failsWith('ERR_ALPC_BAD_VALUE'));
});
