/** Calls: awaited, blocking and one-way, their errors, deadlines, cancellation, and long values. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlpcError } from '../../src/index.js';
import { bind, type BindOptions, bindSync, call, defineInterface, Fault, implement, RemoteError, serve } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { withGap } from '../support/with-gap.js';
import { failsWith, local, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

test('a typed call is answered, and values come back as they went', async (t) => {
  const { client } = await local(t);
  assert.equal(await client.add([2, 3]), 5);
  const value = { map: new Map([['k', new Set([1n])]]), when: new Date(5), nothing: undefined, zero: -0, bytes: new Uint8Array(3) };
  assert.deepStrictEqual(await client.echo(value), value);
  assert.equal(await client.echo(undefined), undefined);
  assert.deepEqual(await Promise.all(Array.from({ length: 200 }, (_, i) => client.add([i, 1]))), Array.from({ length: 200 }, (_, i) => i + 1));
});

test('a blocking call is answered by another process, without its event loop turning', async (t) => {
  const actor = await remote(t);
  const client = bindSync(Spooler, 'ncalrpc:[spooler]');
  atEnd(t, () => client.close());
  assert.equal(client.add.sync([2, 3]), 5);
  assert.equal(client.wait.sync(5), 'waited');
  assert.equal(await client.add([3, 4]), 7);
  const { uid, pid } = client.whoami.sync();
  assert.deepEqual([uid, pid], [process.getuid!(), process.pid]);
  assert.equal(client.binding.peer.pid, actor.pid);
  assert.throws(() => client.wait.sync(undefined, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(client.add.sync([1, 1]), 2);
});

test('a one-way call is handled, and nobody waits for it', async (t) => {
  const { client, server } = await local(t);
  await client.log('one');
  client.log.sync('two');
  assert.deepEqual(await client.journal(), ['one', 'two']);
  const faults: unknown[] = [];
  server.on('fault', (error) => faults.push(error));
  await (client.log as unknown as (value: unknown) => Promise<void>)(new Map());
  assert.equal((await client.journal()).length, 3);
});

test('a declared error comes back as what it is, any other as a RemoteError, and the stack of the server stands apart', async (t) => {
  const { client } = await local(t);
  await assert.rejects(client.fail('declared'), (error) => {
    assert.ok(Fault.is(error, 'outOfPaper'));
    assert.deepEqual([error.data, error.message], [{ tray: 2 }, 'the tray is empty']);
    assert.match(error.remoteStack!, /spooler/);
    assert.doesNotMatch(error.stack!, /spooler\.js/);
    return true;
  });
  await assert.rejects(client.fail('undeclared'), (error) => error instanceof RemoteError && error.remoteName === 'onFire');
  await assert.rejects(client.fail('plain'), (error) => {
    assert.ok(error instanceof RemoteError);
    assert.deepEqual([error.remoteName, error.message, error.code], ['RangeError', 'too far', 'E_FAR']);
    assert.equal((error.cause as { message: string }).message, 'a reason');
    return true;
  });
  await assert.rejects(client.fail('text'), /just text/);
  await assert.rejects(client.fail('rejects'), /later/);
});

test('a server may keep its stacks to itself', async (t) => {
  const { client } = await local(t, { stacks: false });
  await assert.rejects(client.fail('plain'), (error) => error instanceof RemoteError && error.remoteStack === undefined);
});

test('what can not travel is told to who sends it, in both directions', async (t) => {
  const { client } = await local(t);
  await assert.rejects(client.echo(() => 1), failsWith('ERR_ALPC_BAD_VALUE'));
  temporaryRoot(t);
  const Odd = defineInterface({ name: 'odd', version: '1.0' }, { odd: call<void, unknown>() });
  const server = await serve(Odd, { odd: () => Symbol('odd') }, { endpoint: 'odd' });
  atEnd(t, () => server.close());
  using odd = await bind(Odd, 'odd');
  await assert.rejects(odd.odd(), failsWith('ERR_ALPC_BAD_VALUE'));
});

test('a getter that makes a call of its own while its value is encoded disturbs nothing', async (t) => {
  const { client } = await local(t);
  let inner: Promise<unknown> | undefined;
  const value = {
    before: 'b',
    get tricky() {
      inner ??= client.echo('inner');
      return 'outer';
    },
    after: 'a',
  };
  assert.deepEqual(await client.echo(value), { before: 'b', tricky: 'outer', after: 'a' });
  assert.equal(await inner, 'inner');
});

test('a deadline travels: the handler is told of it, and gives up when it is over', async (t) => {
  const { client, journal } = await local(t);
  const { timeLeft } = await client.whoami(undefined, { timeout: 5000 });
  assert.ok(timeLeft > 0 && timeLeft <= 5000, String(timeLeft));
  assert.equal((await client.whoami()).timeLeft, Infinity);
  await assert.rejects(client.wait(undefined, { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  await until('the handler gave up', () => journal.some((line) => line.startsWith('gave up')));
});

test('an aborted signal ends the call with its reason, and reaches the handler', async (t) => {
  const { client, journal } = await local(t);
  const controller = new AbortController();
  const waiting = client.wait(undefined, { signal: controller.signal });
  await until('it waits', () => journal.includes('waits'));
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await until('the handler gave up', () => journal.includes('gave up: AbortError'));
  await assert.rejects(client.add([1, 2], { signal: AbortSignal.abort(new Error('before')) }), /before/);
  assert.equal(await client.add([1, 2]), 3);
});

test('values above the message limit travel in both directions, awaited and blocking', async (t) => {
  await remote(t);
  const client = await bind(Spooler, 'spooler');
  atEnd(t, () => client.close());
  for (const length of [65_000, 65_480, 65_485, 65_486, 65_490, 65_491, 65_492, 65_503, 65_504, 200_000, 5_000_000]) {
    const bytes = new Uint8Array(length).fill(7);
    bytes[length - 1] = 9;
    assert.ok(Buffer.from(bytes).equals((await client.echo(bytes)) as Uint8Array), `${length} awaited`);
    assert.ok(Buffer.from(bytes).equals(client.echo.sync(bytes) as Uint8Array), `${length} blocking`);
  }
  const text = 'é'.repeat(300_000);
  assert.equal(await client.echo(text), text);
  const both = await Promise.all([client.echo(text), client.echo(new Uint8Array(100_000)), client.add([1, 2])]);
  assert.equal(both[2], 3);
});

test('a value over the limit is refused by who sends it, by who gets it, and by who answers with it', async (t) => {
  const { client } = await local(t, { limits: { valueLength: 200_000 } });
  await assert.rejects(client.echo(new Uint8Array(300_000)), failsWith('ERR_ALPC_BAD_VALUE'));
  assert.equal(((await client.echo(new Uint8Array(150_000))) as Uint8Array).length, 150_000);
  using narrow = await bind(Spooler, 'spooler', { limits: { valueLength: 100_000 } });
  await assert.rejects(narrow.echo(new Uint8Array(150_000)), failsWith('ERR_ALPC_BAD_VALUE'));
  assert.equal(await narrow.add([1, 2]), 3);
});

test('an interface that is not there, or not in a compatible version, is told at the bind', async (t) => {
  await local(t);
  const methods = { echo: call<unknown, unknown>() };
  for (const [name, version] of [['nobody', '1.0'], ['spooler', '2.0'], ['spooler', '0.9'], ['spooler', '1.3']] as const) {
    await assert.rejects(bind(defineInterface({ name, version }, methods), 'spooler'), failsWith('ERR_ALPC_UNKNOWN_INTERFACE'), `${name} ${version}`);
  }
  await assert.rejects(bind(defineInterface({ name: 'spooler', version: '1.2', uuid: '00000000-0000-0000-0000-000000000000' }, methods), 'spooler'), failsWith('ERR_ALPC_UNKNOWN_INTERFACE'));
});

test('an old client is served by a new server, whatever the order of its methods; what the server lacks fails alone', async (t) => {
  await local(t);
  const Old = defineInterface({ name: 'spooler', version: '1.0' }, { gone: call(), add: call<[number, number], number>(), log: call<string>(), echo: call<unknown, unknown>() });
  using client = await bind(Old, 'spooler');
  assert.equal(await client.add([1, 2]), 3);
  assert.equal(await client.echo('e'), 'e');
  assert.deepEqual([client.binding.has('add'), client.binding.has('gone'), client.binding.has('log')], [true, false, false]);
  await assert.rejects(client.gone(), failsWith('ERR_ALPC_UNKNOWN_METHOD'));
  await assert.rejects(client.log('of another kind'), failsWith('ERR_ALPC_UNKNOWN_METHOD'));
});

test('several interfaces on several endpoints, each with its own security', async (t) => {
  temporaryRoot(t);
  const A = defineInterface({ name: 'a', version: '1.0' }, { a: call<void, string>() });
  const B = defineInterface({ name: 'b', version: '1.0' }, { b: call<void, string>() });
  const asked: string[] = [];
  const server = await serve(
    [
      implement(A, { a: () => 'A' }),
      implement(B, { b: () => 'B' }, {
        security: (caller, of) => {
          asked.push(`${caller.pid === process.pid} ${of.name}`);
          return Promise.resolve(asked.length > 1);
        },
      }),
    ],
    { endpoint: ['one', '\\RPC Control\\two'] },
  );
  atEnd(t, () => server.close());
  using a = await bind(A, 'ncalrpc:[one]');
  assert.equal(await a.a(), 'A');
  await assert.rejects(bind(B, 'two'), failsWith('ERR_ALPC_ACCESS_DENIED'));
  using b = await bind(B, 'ncalrpc:[\\RPC Control\\two]');
  assert.equal(await b.b(), 'B');
  assert.deepEqual(asked, ['true b', 'true b']);
});

test('interceptors run around each call, outermost first, and may answer or refuse', async (t) => {
  const lines: string[] = [];
  const { client } = await local(t, {
    interceptors: [
      async ({ method, interface: { name } }, next) => {
        lines.push(`> ${name}.${method}`);
        const result = await next();
        lines.push(`< ${method}`);
        return result;
      },
      ({ input }, next) => {
        if (input === 'forbidden') throw new AlpcError('ERR_ALPC_ACCESS_DENIED', 'not this one');
        return input === 'cached' ? 'from the cache' : next();
      },
    ],
  });
  assert.equal(await client.echo('x'), 'x');
  assert.equal(await client.echo('cached'), 'from the cache');
  await assert.rejects(client.echo('forbidden'), failsWith('ERR_ALPC_ACCESS_DENIED'));
  assert.deepEqual(lines, ['> spooler.echo', '< echo', '> spooler.echo', '< echo', '> spooler.echo']);
});

test('a server that closes waits for its calls as long as it is told to', async (t) => {
  const { client, server, journal } = await local(t);
  const slow = client.wait(50);
  await until('it waits', () => journal.includes('waits'));
  await server.close({ timeout: 5000 });
  assert.equal(await slow, 'waited');
  await until('the client knows', () => client.binding.state === 'gone');
  await assert.rejects(client.add([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
  assert.throws(() => client.add.sync([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
});

test('a closed client says so', async (t) => {
  const { client } = await local(t);
  const pending = client.wait(undefined);
  client.close();
  await assert.rejects(pending, failsWith('ERR_ALPC_CANCELED'));
  await assert.rejects(client.add([1, 2]), failsWith('ERR_ALPC_CLOSED'));
});

test('names of methods that a client has for itself are refused, and so are options that are not known', async () => {
  for (const method of ['then', 'close', 'binding', 'constructor', 'a b', '']) assert.throws(() => defineInterface({ name: 'x', version: '1.0' }, { [method]: call() }), failsWith('ERR_ALPC_INVALID_ARGUMENT'), method);
  for (const version of ['1', '1.0.0', 'a.b', '70000.1']) assert.throws(() => defineInterface({ name: 'x', version }, {}), failsWith('ERR_ALPC_INVALID_ARGUMENT'), version);
  const Empty = defineInterface({ name: 'x', version: '1.0' }, { m: call() });
  await assert.rejects(bind(Empty, 'x', { tiemout: 1 } as BindOptions), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  assert.throws(() => bindSync(Empty, 'x', { signal: new AbortController().signal } as object), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  await assert.rejects(bind(Empty, 'tcp:[x]'), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  const offer = implement(Empty, { m: () => {} });
  for (const callbacks of [5, [5], [undefined], withGap(offer)] as never[]) await assert.rejects(bind(Empty, 'x', { callbacks }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
  assert.throws(() => implement(Empty, {} as { m: () => void }), failsWith('ERR_ALPC_INVALID_ARGUMENT'));
});

test('a server that is killed with calls outstanding: each says that it may have been executed', async (t) => {
  const actor = await remote(t);
  using client = await bind(Spooler, 'spooler');
  const waiting = Array.from({ length: 10 }, () => assert.rejects(client.wait(undefined), failsWith('ERR_ALPC_MESSAGE_LOST')));
  assert.equal(await client.add([1, 2]), 3);
  await actor.kill();
  await Promise.all(waiting);
  await assert.rejects(client.add([1, 2]), failsWith('ERR_ALPC_NOT_EXECUTED'));
});
