/** Dynamic endpoints: found by interface and version through the endpoint mapper, whoever holds its name; and the management interface. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listDirectory } from '../../src/index.js';
import { bind, bindSync, call, defineInterface, EndpointMapper, implement, Management, mapEndpoints, serve } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { another, failsWith, local, remote, until } from './expect.js';
import { Spooler, spooler } from './spooler.js';

withLedger();

/** Bound in place of the management interface that each server has: it stands before that one. */
const Lying = defineInterface({ name: Management.name, version: Management.version, uuid: Management.uuid! }, { interfaces: call<void, never>() });

/** Finds a spooler and calls it, without a turn of the event loop. */
function addBlocking(): number {
  using client = bindSync(Spooler, 'ncalrpc:');
  return client.add.sync([1, 2]);
}

test('a server without an endpoint of its own has a dynamic one, and is found by its interface', async (t) => {
  await remote(t, ['dynamic']);
  await another(t, ['dynamic', 'another one']);
  const endpoint = listDirectory('\\RPC Control')[0]!.name;
  assert.match(endpoint, /^LRPC-[0-9a-f]{18}$/);
  using client = await bind(Spooler, 'ncalrpc:');
  assert.equal(await client.add([1, 2]), 3);
  const blocking = bindSync(Spooler, 'ncalrpc:[]');
  atEnd(t, () => blocking.close());
  assert.equal(blocking.add.sync([1, 2]), 3);
  const entries = await mapEndpoints();
  assert.deepEqual(entries.map(({ name, version, annotation }) => `${name} ${version} ${annotation}`).toSorted(), ['spooler 1.2 a spooler', 'spooler 1.2 another one']);
  assert.ok(entries.every(({ endpoints }) => endpoints.length === 1));
});

test('only compatible versions of the right interface are found', async (t) => {
  temporaryRoot(t);
  const methods = { m: call<void, string>() };
  const versions = ['1.0', '1.5', '2.3'];
  for (const version of versions) {
    const server = await serve(defineInterface({ name: 'versioned', version }, methods), { m: () => version });
    atEnd(t, () => server.close());
  }
  const found = async (version: string): Promise<string> => {
    using client = await bind(defineInterface({ name: 'versioned', version }, methods), 'ncalrpc:');
    return await client.m();
  };
  assert.equal(await found('1.1'), '1.5');
  assert.equal(await found('2.0'), '2.3');
  assert.ok(['1.0', '1.5'].includes(await found('1.0')));
  await assert.rejects(found('2.4'), failsWith('ERR_ALPC_NOT_REGISTERED'));
  await assert.rejects(found('3.0'), failsWith('ERR_ALPC_NOT_REGISTERED'));
  await assert.rejects(bind(defineInterface({ name: 'nobody', version: '1.0' }, methods), 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
});

test('with no server at all there is nothing to find, and that is said', async (t) => {
  temporaryRoot(t);
  await assert.rejects(bind(Spooler, 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
  assert.throws(() => bindSync(Spooler, 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
  assert.deepEqual(await mapEndpoints(), []);
});

test('when the holder of the mapper is killed another takes over, no entry is lost meanwhile, and its own is gone', async (t) => {
  const first = await remote(t, ['dynamic', '0']);
  const others = [await another(t, ['dynamic', '1']), await another(t, ['dynamic', '2']), await another(t, ['dynamic', '3'])];
  const annotations = async (): Promise<string[]> => (await mapEndpoints({ name: 'spooler' })).map(({ annotation }) => annotation!).toSorted();
  const holder = async (): Promise<number | undefined> => {
    try {
      using mapper = await bind(EndpointMapper, 'epmapper', { timeout: 1000 });
      return mapper.binding.peer.pid;
    } catch {
      return undefined;
    }
  };
  assert.equal(await holder(), first.pid);
  assert.deepEqual(await annotations(), ['0', '1', '2', '3']);
  await first.kill();
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(await annotations(), ['1', '2', '3'], `look ${i}`);
    assert.equal(addBlocking(), 3, `blocking look ${i}`);
  }
  await until('another holds the name', async () => others.map(({ pid }) => pid).includes((await holder()) ?? 0));
  assert.deepEqual(await annotations(), ['1', '2', '3']);
});

test('a server with endpoints of its own choice alone takes no mapper, and is found by nobody who does not name it', async (t) => {
  temporaryRoot(t);
  const named = await serve(Spooler, spooler(), { endpoint: ['spooler', '\\RPC Control\\another'] });
  atEnd(t, () => named.close());
  await assert.rejects(bind(EndpointMapper, 'epmapper'), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  await assert.rejects(bind(Spooler, 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
  const both = await serve(Spooler, spooler(), { endpoint: ['third', 'dynamic'] });
  atEnd(t, () => both.close());
  using mapper = await bind(EndpointMapper, 'epmapper');
  assert.equal((await mapper.map({})).length, 1);
});

test('a client that blocks finds a server though nobody holds the name of the mapper', async (t) => {
  await remote(t, ['ncalrpc:[LRPC-0123456789abcdef01]']); // one that is given its name does not look for the mapper's
  await assert.rejects(bind(EndpointMapper, 'epmapper'), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
  assert.equal(addBlocking(), 3);
  const Nobody = defineInterface({ name: 'nobody', version: '1.0' }, { m: call() });
  assert.throws(() => bindSync(Nobody, 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
});

test('a server that hangs hides nobody else from a client that blocks', async (t) => {
  const stopped = await remote(t, ['dynamic', 'hangs']); // and holds the mapper's name
  const alive = await another(t, ['dynamic', 'lives']);
  stopped.signal('SIGSTOP');
  atEnd(t, () => stopped.signal('SIGCONT'));
  using client = bindSync(Spooler, 'ncalrpc:', { timeout: 60_000 });
  assert.equal(client.binding.peer.pid, alive.pid);
});

test('a server that hangs hides nobody else', async (t) => {
  const stopped = await remote(t, ['dynamic', 'hangs']);
  await another(t, ['dynamic', 'lives']);
  stopped.signal('SIGSTOP');
  atEnd(t, () => stopped.signal('SIGCONT'));
  assert.deepEqual((await mapEndpoints({ name: 'spooler' })).map(({ annotation }) => annotation), ['lives']);
});

const LIES: Record<string, unknown> = {
  'no list': { entries: [] },
  'nothing': undefined,
  'a list of nothing': [null],
  'a list with a hole': Object.assign([], { length: 1 }),
  'entries without endpoints': [{ name: 'spooler', version: '1.2', uuid: undefined, annotation: undefined }],
  'endpoints that are no names': [{ name: 'spooler', version: '1.2', endpoints: [7] }],
  'a version that is none': [{ name: 'spooler', version: 1.2, endpoints: ['\\RPC Control\\nowhere'] }],
};

for (const [what, lie] of Object.entries(LIES)) {
  test(`a mapper that answers with ${what} hides nobody: the servers are asked, and who finds none is told so`, async (t) => {
    temporaryRoot(t);
    const mapper = await serve(EndpointMapper, { map: () => lie as never }, { endpoint: 'epmapper' });
    atEnd(t, () => mapper.close());
    await assert.rejects(bind(Spooler, 'ncalrpc:'), failsWith('ERR_ALPC_NOT_REGISTERED'));
    // One that tells the same of itself is passed over, too.
    const liar = await serve([implement(Lying, { interfaces: () => lie as never })], { endpoint: 'ncalrpc:[LRPC-00000000000000000a]' });
    atEnd(t, () => liar.close());
    const server = await serve(Spooler, spooler(), { endpoint: 'ncalrpc:[LRPC-00000000000000000b]' });
    atEnd(t, () => server.close());
    using client = await bind(Spooler, 'ncalrpc:');
    assert.equal(await client.add([1, 2]), 3);
    assert.deepEqual((await mapEndpoints()).map(({ name }) => name), ['spooler']);
  });
}

test('every server tells whether it listens, what it offers, and what it has done', async (t) => {
  const { client, server } = await local(t, { annotation: 'for people' });
  using management = await bind(Management, 'spooler');
  assert.equal(await management.isListening(), true);
  assert.deepEqual(await management.interfaces(), [{ name: 'spooler', version: '1.2', uuid: Spooler.uuid, endpoints: ['\\RPC Control\\spooler'], annotation: 'for people' }]);
  await client.add([1, 2]);
  await client.log('x');
  await client.fail('plain').catch(() => {});
  for await (const _ of client.count({ to: 2 }));
  const { calls, oneWayCalls, streams, faults, active, connections, pid } = await management.statistics();
  assert.deepEqual({ calls, oneWayCalls, streams, faults, active, connections, pid }, { calls: 5, oneWayCalls: 1, streams: 1, faults: 1, active: 0, connections: 2, pid: process.pid });
  assert.equal(String(server), 'server of interface spooler 1.2 at \\RPC Control\\spooler');
});

test('a name that is taken is told, and nothing stays behind', async (t) => {
  await local(t);
  await assert.rejects(serve(Spooler, spooler(), { endpoint: ['free', 'spooler'] }), failsWith('ERR_ALPC_NAME_IN_USE'));
  await assert.rejects(bind(Spooler, 'free'), failsWith('ERR_ALPC_NAME_NOT_FOUND'));
});
