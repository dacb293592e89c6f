/** Bad input to events and callbacks: a typed error that names the argument and says what was expected, before anything is done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallbackFunction, createCallback, createEvent, createPort, createUnconnectedPort, type Event, openCallback, openEvent, waitForAll, waitForAllSync, waitForAny, waitForAnySync } from '../../src/index.js';
import { failsWith } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { READY } from './support.js';

withLedger();

const NOT_OBJECTS = [null, 5, 'x', true, [], () => {}];
const NOT_TIMEOUTS = [-1, Number.NaN, -Infinity, 2 ** 31, '10', null, {}, 10n];
const NOT_SIGNALS = [null, 5, 'x', {}, new AbortController()];
const NOT_BOOLEANS = [null, 0, 1, 'true', {}];
const NOT_FUNCTIONS = [null, 5, 'x', {}];
const NOT_NAMES = [null, 5, {}, ['\\x'], Symbol('name')];

async function assertRefused(name: string, call: () => unknown): Promise<void> {
  const pattern = new RegExp(`^argument '${name.replaceAll(/[.[\]]/g, '\\$&')}' (must be .+; received |has no option )`);
  await assert.rejects(async () => call(), failsWith('ERR_ALPC_INVALID_ARGUMENT', pattern), `no error that names ${name}`);
}

test('creating and opening events refuses what it does not understand, and makes nothing', async (t) => {
  const root = temporaryRoot(t);
  const bad: [name: string, options: unknown][] = [
    ...NOT_OBJECTS.map((options): [string, unknown] => ['options', options]),
    ['options', { manualReset: true }],
    ...['Notification', 'auto', 5, null, true].map((kind): [string, unknown] => ['options.kind', { kind }]),
    ...NOT_BOOLEANS.map((initialState): [string, unknown] => ['options.initialState', { initialState }]),
    ...NOT_BOOLEANS.map((openIf): [string, unknown] => ['options.openIf', { openIf }]),
    ...NOT_TIMEOUTS.map((timeout): [string, unknown] => ['options.timeout', { timeout }]),
    ['options.security', { security: [] }],
    ['options.security.allow[0].user', { security: { allow: [{ user: 'nobody of this name' }] } }],
    ['options.security', { security: { allow: [{ user: 'me' }, { user: process.geteuid!() + 1 }] } }],
  ];
  for (const [name, options] of bad) for (const event of [READY, undefined]) await assertRefused(name, () => createEvent(event, options as object));
  for (const where of [5, 'relative', 'a\0b']) for (const call of [() => createEvent(READY, { root: where as string }), () => openEvent(READY, { root: where as string })]) await assertRefused('root', call);
  for (const options of [...NOT_OBJECTS, { kind: 'notification' }]) await assertRefused('options', () => openEvent(READY, options as object));
  for (const name of NOT_NAMES as string[]) {
    await assertRefused('name', () => createEvent(name));
    if (typeof name !== 'object' || name === null) await assertRefused('name', () => openEvent(name));
  }
  for (const name of ['', 'relative', '\\a\\\\b', '\\..\\x', '\\a\0b']) for (const call of [() => createEvent(name), () => openEvent(name)]) assert.throws(call, failsWith('ERR_ALPC_NAME_INVALID'));
  assert.deepEqual(namesIn(root), []);
});

test('what was not shared can not be opened', async () => {
  using event = createEvent();
  const shared = event.share();
  await assertRefused('event', () => openEvent({ ...shared, more: 1 } as never));
  for (const fd of [-1, 1.5, '3', undefined, Number.NaN]) await assertRefused('event.fd', () => openEvent({ ...shared, fd } as never));
  for (const identity of [undefined, 5, null]) await assertRefused('event.identity', () => openEvent({ ...shared, identity } as never));
  for (const fd of [0, 2, 12_345]) assert.throws(() => openEvent({ ...shared, fd }), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  assert.throws(() => openEvent({ ...shared, identity: '1:2' }), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
});

test('waiting refuses bad options, and what is no list of events, and takes nothing', async () => {
  using event = createEvent(undefined, { kind: 'synchronization', initialState: true });
  using other = createEvent();
  const calls = (options: unknown): (() => unknown)[] => [() => event.wait(options as object), () => event.waitSync(options as object), ...[waitForAny, waitForAll, waitForAnySync, waitForAllSync].map((wait) => () => wait([event], options as object))];
  for (const options of NOT_OBJECTS) for (const call of calls(options)) await assertRefused('options', call);
  for (const timeout of NOT_TIMEOUTS) for (const call of calls({ timeout })) await assertRefused('options.timeout', call);
  for (const signal of NOT_SIGNALS) for (const wait of [() => event.wait({ signal } as object), () => waitForAny([event], { signal } as object), () => waitForAll([event], { signal } as object)]) await assertRefused('options.signal', wait);
  const { signal } = new AbortController();
  for (const wait of [() => event.waitSync({ signal } as object), () => waitForAnySync([event], { signal } as object), () => waitForAllSync([event], { signal } as object)]) await assertRefused('options', wait);
  for (const wait of [waitForAny, waitForAll, waitForAnySync, waitForAllSync]) {
    for (const events of [undefined, null, 5, event, [], new Set([event]), Array.from({ length: 65 }, () => event)] as Event[][]) await assertRefused('events', () => wait(events));
    for (const entry of [undefined, null, 5, {}, { set: () => {} }] as Event[]) await assertRefused('events[1]', () => wait([event, entry]));
    await assertRefused('events[2]', () => wait([event, other, event]));
  }
  assert.equal(event.state, true);
});

test('callbacks refuse what is no function, and names that are none', async (t) => {
  temporaryRoot(t);
  for (const options of [...NOT_OBJECTS, { many: true }]) await assertRefused('options', () => createCallback('\\Callback\\x', options as object));
  for (const multiple of NOT_BOOLEANS) await assertRefused('options.multiple', () => createCallback('\\Callback\\x', { multiple } as object));
  for (const name of NOT_NAMES as string[]) for (const call of [() => createCallback(name), () => openCallback(name)]) await assertRefused('name', call);
  for (const call of [() => createCallback('relative'), () => openCallback('')]) assert.throws(call, failsWith('ERR_ALPC_NAME_INVALID'));
  using object = createCallback('\\Callback\\x');
  for (const callback of [...NOT_FUNCTIONS, undefined] as unknown as CallbackFunction[]) await assertRefused('callback', () => object.register(callback));
  assert.equal(object.registrations, 0);
  await using port = await createPort('\\RPC Control\\x');
  using unconnected = createUnconnectedPort();
  for (const callback of NOT_FUNCTIONS as never[]) for (const at of [port, unconnected]) await assertRefused('callback', () => at.setCallback(callback, undefined));
  assert.deepEqual([port.listenerCount('message'), unconnected.listenerCount('message')], [0, 0]);
});
