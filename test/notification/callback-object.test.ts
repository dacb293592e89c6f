/** Callback objects: whom a notification reaches, in which order, and what happens when they change things meanwhile. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { type CallbackObject, type CallbackRegistration, createCallback, createPort, connectPort, openCallback } from '../../src/index.js';
import { failsWith, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { CallbackNews, CallbackOrder } from './callback-actor.js';

withLedger();

const NAME = '\\Callback\\PowerState';

function made(t: TestContext, name?: string, options?: { multiple?: boolean }): CallbackObject<string, number> {
  const object = createCallback<string, number>(name, options);
  atEnd(t, () => object.close());
  return object;
}

test('a notification calls every registered function, in the order of registration, with both arguments and its context, before it returns', (t) => {
  const object = made(t, NAME);
  const calls: unknown[][] = [];
  for (const context of ['a', 'b', 'c']) object.register((...args) => void calls.push(args), context);
  object.register((...args) => void calls.push(args));
  openCallback<string, number>('/Callback/PowerState').notify('battery', 7);
  assert.deepEqual(calls, [['battery', 7, 'a'], ['battery', 7, 'b'], ['battery', 7, 'c'], ['battery', 7, undefined]]);
  assert.equal(object.registrations, 4);
});

test('a function is called as often as it is registered, until it is unregistered', (t) => {
  const object = made(t);
  let calls = 0;
  const count = (): void => void calls++;
  const [first, second] = [object.register(count), object.register(count)];
  object.notify('', 0);
  assert.equal(calls, 2);
  first.unregister();
  first.unregister();
  object.notify('', 0);
  assert.equal(calls, 3);
  {
    using _registration = second;
  }
  object.notify('', 0);
  assert.deepEqual([calls, object.registrations], [3, 0]);
});

test('a name stands for one object of the thread, until that is closed', (t) => {
  const object = made(t, NAME);
  assert.throws(() => createCallback(NAME), failsWith('ERR_ALPC_NAME_IN_USE', /\\Callback\\PowerState/));
  assert.equal(openCallback(NAME), object);
  assert.throws(() => openCallback('\\Callback\\powerstate'), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  object.register(() => assert.fail('it has been closed'));
  object.close();
  object.close();
  for (const call of [() => object.notify('', 0), () => object.register(() => {})]) assert.throws(call, failsWith('ERR_ALPC_CLOSED', /PowerState \(closed\)/));
  assert.throws(() => openCallback(NAME), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  assert.notEqual(made(t, NAME), object);
});

test('names are of one thread: another has objects of its own', async (t) => {
  const object = made(t, NAME);
  object.register(() => assert.fail('in another thread'));
  const code = `import { createCallback } from '${new URL('../../src/index.js', import.meta.url)}'; createCallback('\\\\Callback\\\\PowerState').notify(1, 2);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const [exit] = (await new Promise((resolve, reject) => worker.once('exit', (...args) => resolve(args)).once('error', reject))) as [number];
  assert.equal(exit, 0);
});

test('an object for one function refuses a second, and takes another when the first is gone', (t) => {
  const object = made(t, NAME, { multiple: false });
  const first = object.register(() => {});
  assert.throws(() => object.register(() => {}), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /takes one function, and has it/));
  first.unregister();
  object.register(() => {});
});

test('what is registered during a notification is called from the next one on, a nested one included', (t) => {
  const object = made(t);
  const calls: string[] = [];
  object.register((what) => {
    calls.push(`first ${what}`);
    if (what !== 'outer') return;
    object.register((inner) => void calls.push(`late ${inner}`));
    object.notify('nested', 0);
  });
  object.register((what) => void calls.push(`second ${what}`));
  object.notify('outer', 0);
  assert.deepEqual(calls, ['first outer', 'first nested', 'second nested', 'late nested', 'second outer']);
  calls.length = 0;
  object.notify('next', 0);
  assert.deepEqual(calls, ['first next', 'second next', 'late next']);
});

test('what is unregistered during a notification, and was not called yet, is not called any more', (t) => {
  const object = made(t);
  const calls: string[] = [];
  const registrations: CallbackRegistration[] = [];
  const [one, two, three] = ['one', 'two', 'three'].map((name, index) =>
    object.register(() => {
      calls.push(name);
      if (index === 0) registrations.forEach((registration) => registration.unregister());
    }),
  ) as [CallbackRegistration, CallbackRegistration, CallbackRegistration];
  registrations.push(one, two);
  object.notify('', 0);
  assert.deepEqual(calls, ['one', 'three']);
  object.notify('', 0);
  assert.deepEqual(calls, ['one', 'three', 'three']);
  three.unregister();
});

test('a close during a notification is the end of it', (t) => {
  const object = made(t, NAME);
  const calls: string[] = [];
  object.register(() => {
    calls.push('one');
    object.close();
  });
  object.register(() => void calls.push('two'));
  object.notify('', 0);
  assert.deepEqual(calls, ['one']);
});

test('what a function throws is reported to the process, once each, and reaches neither the notifier nor the others', async (t) => {
  const actor = startActor<CallbackOrder, CallbackNews>(t, new URL('./callback-actor.js', import.meta.url));
  await actor.until('ready');
  const { calls, thrown } = await actor.ask({ type: 'notify' }, 'notified');
  assert.deepEqual([calls, thrown], [['before', 'throws one', 'between', 'throws two', 'after'], 'nothing']);
  await until('both are reported', async () => {
    const { errors } = await actor.ask({ type: 'report' }, 'errors');
    return errors.length > 0 && (assert.deepEqual(errors, ['one', 'two', 'a promise']), true);
  });
});

test("a port's callback may notify an object: so messages of other processes reach every part of a program", async (t) => {
  temporaryRoot(t);
  const object = made(t, NAME);
  const heard: string[] = [];
  object.register((text) => void heard.push(text));
  await using port = await createPort('\\RPC Control\\power');
  port.setCallback((message, target) => {
    if (message.type === 'datagram') target.notify(String(message.data), message.id);
  }, object);
  const client = await connectPort('\\RPC Control\\power');
  await client.post('suspend');
  await client.post('resume');
  await until('both came', () => heard.length === 2);
  assert.deepEqual(heard, ['suspend', 'resume']);
  client.close();
});
