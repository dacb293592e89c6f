/**
 * Bad input to every public function of the ports: a typed error that names the argument and says what was expected, before
 * anything is done. After each the ports are as they were, and nothing was made, sent or left open.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { AlpcError, type ClientPort, connectPort, connectPortSync, type ConnectionPort, createPort, createPortSync, type RequestMessage, type ServerPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { namesIn, temporaryRoot } from '../support/root.js';
import { withGap } from '../support/with-gap.js';
import { failsWith, outcomeOf } from '../process/expect.js';

withLedger();

const NAME = '\\RPC Control\\arguments';
const NOT_OBJECTS = [null, 5, 'x', true, [], () => {}];
const NOT_TIMEOUTS = [-1, Number.NaN, -Infinity, 2 ** 31, '10', null, {}, 10n];
const NOT_SIGNALS = [null, 5, 'x', {}, new AbortController(), Object.assign(new EventTarget(), { aborted: false })];
const NOT_DATA = [null, undefined, 5, {}, [1, 2], new ArrayBuffer(8), new Uint16Array(4), new DataView(new ArrayBuffer(8)), Symbol('data')];

/** What every bad value of one argument must give: the argument's name, and what came. */
function refused(name: string): (error: unknown) => true {
  return failsWith('ERR_ALPC_INVALID_ARGUMENT', new RegExp(`^argument '${name.replaceAll(/[.[\]]/g, '\\$&')}' (must be .+; received |has no option )`));
}

/** Calls, thrown or rejected alike. */
async function assertRefused(name: string, call: () => unknown): Promise<void> {
  await assert.rejects(async () => call(), refused(name), `no error that names ${name}`);
}

/** Each bad options bag, with the argument that it must be refused by. */
type BadOptions = [name: string, options: unknown][];

const BAD_LIMITS: BadOptions = [
  ...NOT_OBJECTS.map((limits): [string, unknown] => ['limits', { limits }]),
  ['limits', { limits: { maxMessages: 1 } }],
  ...[63, 65_536, 1.5, '100', Number.NaN, -1, Infinity, null].map((maxMessageLength): [string, unknown] => ['limits.maxMessageLength', { limits: { maxMessageLength } }]),
  ...[0, 1, 2048, 4097, 5000, 2 ** 27, '4096', Number.NaN, null].map((ringLength): [string, unknown] => ['limits.ringLength', { limits: { ringLength } }]),
  ...[0, 4095, 2 ** 26 + 1, 4096.5, '4096', Number.NaN, null].map((peerRingLength): [string, unknown] => ['limits.peerRingLength', { limits: { peerRingLength } }]),
  ...[0, 1_000_001, 1.5, '1', Number.NaN, null].map((pendingMessages): [string, unknown] => ['limits.pendingMessages', { limits: { pendingMessages } }]),
  ...[0, 2 ** 31, 0.5, '1'].map((pendingBytes): [string, unknown] => ['limits.pendingBytes', { limits: { pendingBytes } }]),
  ...[0, 4095, 2 ** 40 + 1, 4096.5, '4096', null].map((pendingBytesPerPort): [string, unknown] => ['limits.pendingBytesPerPort', { limits: { pendingBytesPerPort } }]),
  ...[0, 4095, 2 ** 40 + 1, 4096.5, '4096', null].map((pendingBytesPerUser): [string, unknown] => ['limits.pendingBytesPerUser', { limits: { pendingBytesPerUser } }]),
  ...[0, 1_000_001, 2.5, '1'].map((connections): [string, unknown] => ['limits.connections', { limits: { connections } }]),
  ...[0, 1_000_001, 2.5, '1', Number.NaN, null].map((connectionsPerUser): [string, unknown] => ['limits.connectionsPerUser', { limits: { connectionsPerUser } }]),
];

const BAD_SPIN: BadOptions = [
  ...[5, 'yes', null, []].map((spin): [string, unknown] => ['spin', { spin }]),
  ...[-1, 1.5, 1_000_001, '3', Number.NaN, null].map((looks): [string, unknown] => ['spin.looks', { spin: { looks } }]),
  ...[-1, 1001, '3', Number.NaN, null].map((linger): [string, unknown] => ['spin.linger', { spin: { linger } }]),
  ['spin', { spin: { loks: 1 } }],
];

const BAD_ACCEPTS: BadOptions = [
  ...[5, 'view', null, {}].map((accepts): [string, unknown] => ['options.accepts', { accepts }]),
  ...[['vieuw'], [undefined], withGap('view')].map((accepts): [string, unknown] => ['options.accepts[]', { accepts }]),
];

const BAD_CREATE: BadOptions = [
  ...NOT_OBJECTS.map((options): [string, unknown] => ['options', options]),
  ['options', { conect: 'ask' }],
  ['options.connect', { connect: 'maybe' }],
  ['options.connect', { connect: true }],
  ['options.notifyClientDied', { notifyClientDied: 1 }],
  ...[0, 65_536, 1.5, '5'].map((backlog): [string, unknown] => ['options.backlog', { backlog }]),
  ...NOT_TIMEOUTS.map((timeout): [string, unknown] => ['options.timeout', { timeout }]),
  ...[5, 'relative', null, 'a\0b'].map((root): [string, unknown] => ['root', { root }]),
  ['options.security', { security: [] }],
  ['options.security', { security: { alow: [] } }],
  ['options.security.allow', { security: { allow: {} } }],
  ['options.security.allow[0]', { security: { allow: [{}] } }],
  ['options.security.allow[0]', { security: { allow: withGap({ user: 'me' }) } }],
  ['options.security.deny[0]', { security: { deny: withGap({ user: 5 }) } }],
  ['options.security.allow[0].user', { security: { allow: [{ user: 'nobody of this name' }] } }],
  ['options.security.deny[1].rights[0]', { security: { deny: [{ user: 5 }, { user: 5, rights: ['conect'] }] } }],
  ...BAD_ACCEPTS,
  ...BAD_LIMITS,
  ...BAD_SPIN,
];

const BAD_CONNECT: BadOptions = [
  ...NOT_OBJECTS.map((options): [string, unknown] => ['options', options]),
  ['options', { date: 'x' }],
  ...NOT_DATA.filter((data) => data !== undefined).map((data): [string, unknown] => ['options.data', { data }]),
  ...[5, null, 'x'].map((requiredServer): [string, unknown] => ['options.requiredServer', { requiredServer }]),
  ['options.requiredServer', { requiredServer: {} }],
  ['options.requiredServer', { requiredServer: { name: 'root' } }],
  ...['uid', 'gid', 'pid'].flatMap((key) => [-1, 1.5, '0', 2 ** 32, null, Number.NaN, undefined].map((value): [string, unknown] => [`options.requiredServer.${key}`, { requiredServer: { [key]: value } }])),
  ['options.requiredServer.gid', { requiredServer: { uid: process.geteuid!(), gid: undefined } }],
  ...NOT_TIMEOUTS.map((timeout): [string, unknown] => ['options.timeout', { timeout }]),
  ...[5, 'x', {}, null].map((onCallback): [string, unknown] => ['options.onCallback', { onCallback }]),
  ...BAD_ACCEPTS,
  ...BAD_LIMITS,
  ...BAD_SPIN,
];

async function connected(t: TestContext): Promise<{ port: ConnectionPort; client: ClientPort; toClient: ServerPort }> {
  temporaryRoot(t);
  const port = await createPort(NAME);
  atEnd(t, () => port.close());
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { port, client, toClient: port.connections[0]! };
}

test('createPort and createPortSync refuse bad options by name, and make nothing', async (t) => {
  const root = temporaryRoot(t);
  for (const [name, options] of BAD_CREATE) {
    await assertRefused(name, () => createPort(NAME, options as object));
    await assertRefused(name, () => createPortSync(NAME, options as object));
  }
  for (const signal of NOT_SIGNALS) await assertRefused('options.signal', () => createPort(NAME, { signal: signal as AbortSignal }));
  for (const signal of [5, new AbortController().signal]) await assertRefused('options', () => createPortSync(NAME, { signal } as object));
  assert.deepEqual(namesIn(root), []);
});

test('connectPort and connectPortSync refuse bad options by name, and the server sees nothing of it', async (t) => {
  const { port, client } = await connected(t);
  for (const [name, options] of BAD_CONNECT) {
    await assertRefused(name, () => connectPort(NAME, options as object));
    await assertRefused(name, () => connectPortSync(NAME, options as object));
  }
  for (const root of [5, 'relative', null]) await assertRefused('root', () => connectPortSync(NAME, { root: root as string }));
  for (const signal of NOT_SIGNALS) await assertRefused('options.signal', () => connectPort(NAME, { signal: signal as AbortSignal }));
  for (const signal of [5, new AbortController().signal]) await assertRefused('options', () => connectPortSync(NAME, { signal } as object));
  assert.equal(port.connections.length, 1);
  assert.equal(client.closed, false);
});

test('names that none can be are refused as such, by all who take one', async (t) => {
  temporaryRoot(t);
  const calls = [createPort, createPortSync, connectPort, connectPortSync];
  for (const name of ['', 'relative', '\\a\\\\b', '\\a\\', '\\.', '\\a\\..\\b', '\\a\0b', `\\${'x'.repeat(256)}`]) {
    for (const call of calls) await assert.rejects(async () => call(name), failsWith('ERR_ALPC_NAME_INVALID'), name);
  }
  for (const name of [undefined, null, 5, {}, ['\\x']] as string[]) for (const call of calls) await assertRefused('name', () => call(name));
  for (const call of calls) await assert.rejects(async () => call('\\'), (error) => AlpcError.is(error) && ['ERR_ALPC_NAME_INVALID', 'ERR_ALPC_OBJECT_TYPE_MISMATCH'].includes(error.code));
});

test('sending refuses bad data and bad options by name, on both sides, and sends nothing', async (t) => {
  const { port, client, toClient } = await connected(t);
  for (const sender of [client, toClient]) {
    for (const data of NOT_DATA as string[]) {
      for (const call of [() => sender.request(data), () => sender.requestSync(data), () => sender.post(data), () => sender.postSync(data), () => sender.tryPost(data)]) await assertRefused('data', call);
    }
    for (const options of NOT_OBJECTS as object[]) {
      for (const call of [() => sender.request('x', options), () => sender.requestSync('x', options), () => sender.post('x', options), () => sender.postSync('x', options)]) await assertRefused('options', call);
    }
    for (const timeout of NOT_TIMEOUTS as number[]) {
      for (const call of [() => sender.request('x', { timeout }), () => sender.requestSync('x', { timeout }), () => sender.post('x', { timeout }), () => sender.postSync('x', { timeout })]) await assertRefused('options.timeout', call);
    }
    for (const signal of NOT_SIGNALS as AbortSignal[]) for (const call of [() => sender.request('x', { signal }), () => sender.post('x', { signal })]) await assertRefused('options.signal', call);
    for (const onCallback of [5, {}, null] as never[]) for (const call of [() => sender.request('x', { onCallback }), () => sender.requestSync('x', { onCallback })]) await assertRefused('options.onCallback', call);
    // What a form can't do is an option that it has not.
    const { signal } = new AbortController();
    for (const call of [() => sender.requestSync('x', { signal } as object), () => sender.postSync('x', { signal } as object), () => sender.post('x', { onCallback: () => {} } as object), () => sender.request('x', { timeuot: 5 } as object)]) await assertRefused('options', call);
    assert.deepEqual([sender.info().pendingRequests, sender.info().waitingForRoom], [0, 0]);
  }
  assert.equal(port.tryReceive(), undefined);
  assert.equal(client.tryReceive(), undefined);
});

test('receiving refuses bad options by name, and takes nothing', async (t) => {
  const { port, client, toClient } = await connected(t);
  await client.post('still here');
  await toClient.post('still here');
  for (const receiver of [port, client]) {
    for (const options of NOT_OBJECTS as object[]) for (const call of [() => receiver.receive(options), () => receiver.receiveSync(options)]) await assertRefused('options', call);
    for (const timeout of NOT_TIMEOUTS as number[]) for (const call of [() => receiver.receive({ timeout }), () => receiver.receiveSync({ timeout })]) await assertRefused('options.timeout', call);
    for (const signal of NOT_SIGNALS as AbortSignal[]) await assertRefused('options.signal', () => receiver.receive({ signal }));
    await assertRefused('options', () => receiver.receiveSync({ signal: new AbortController().signal } as object));
    assert.equal((await receiver.receive()).data.toString(), 'still here');
  }
});

test('answering refuses bad data by name, and the request is still unanswered', async (t) => {
  const { port, client, toClient } = await connected(t);
  const call = outcomeOf(client.request('question'));
  const request = (await port.receive()) as RequestMessage;
  for (const data of NOT_DATA as string[]) for (const answer of [() => request.reply(data), () => request.callback(data), () => request.callbackSync(data)]) await assertRefused('data', answer);
  for (const timeout of NOT_TIMEOUTS as number[]) for (const answer of [() => request.callback('x', { timeout }), () => request.callbackSync('x', { timeout })]) await assertRefused('options.timeout', answer);
  for (const onCallback of [5, {}, null, 'x'] as never[]) await assertRefused('onCallback', () => (toClient.onCallback = onCallback));
  assert.equal(request.isPending, true);
  request.reply('answer');
  assert.equal(await call, 'answer');
});
