/**
 * Peers that do not keep to the rules: anybody's bytes in place of every field of a frame, from a client to a server and from a server
 * to a client. Whoever is attacked answers with a fault, drops the connection, or takes it for a value that it is; everybody else is served.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AlpcError, type ClientPort, connectPort, createPort } from '../../src/index.js';
import { bind, call, defineInterface, Fault, implement, RemoteError, serve } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Flag, HEADER, header, Kind, kindOf } from '../../src/rpc/frame.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, local } from './expect.js';
import { Progress, Spooler } from './spooler.js';

withLedger();

const codec = new Codec(DEFAULT_BOUNDS);
const METHODS = Object.entries(Spooler.methods).map(([name, { kind }]) => [name, kind]);
/** Methods that a stranger may call with anything: not those that end the process, wait, or produce without end. */
const TAME = ['echo', 'add', 'fail', 'whoami', 'openJob', 'readJob', 'closeJob', 'log', 'upper', 'ignore'].map((name) => METHODS.findIndex(([method]) => method === name));

const int32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 0xffff, 65_536, 0x7fff_ffff, 0xffff_ffff));
const kind = fc.oneof(fc.constantFrom(...Object.values(Kind)), fc.nat(255));
const body = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.anything({ withMap: true, withBigInt: true, withTypedArray: true }).map((value) => Uint8Array.from(codec.frame(0, 0, 0, 0, 0, value).subarray(HEADER))));
const frame = fc.tuple(kind, fc.nat(255), fc.oneof(fc.constantFrom(...TAME, -1), fc.constantFrom(...TAME)), int32, int32, body).map(([kind, flags, procedure, number, extra, body]) => Buffer.concat([header(kind, flags, procedure & 0xffff, number % 8, extra), body]));
const packet = fc.oneof({ weight: 8, arbitrary: frame }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: HEADER + 4 }).map((bytes) => Buffer.from(bytes)) });

test('a server answers any request with an answer or a fault, lives through any datagram, and serves everybody else', { timeout: 3_600_000 }, async (t) => {
  const { client, server } = await local(t, { limits: { valueLength: 100_000, streams: 4 } });
  let stranger: ClientPort | undefined;
  atEnd(t, () => stranger?.close());
  let drops = 0;
  const meet = async (): Promise<ClientPort> => {
    if (stranger !== undefined && !stranger.closed) return stranger;
    stranger?.close();
    drops++;
    stranger = await connectPort('\\RPC Control\\spooler');
    await stranger.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: METHODS }));
    return stranger;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(packet, fc.boolean()), { minLength: 1, maxLength: 20 }), async (packets) => {
      const port = await meet();
      const answers = packets.map(async ([bytes, isRequest]) => {
        if (!isRequest) {
          port.tryPost(bytes);
          return;
        }
        if (kindOf(bytes) === Kind.stream) bytes[0] = Kind.call; // one that waits for items would wait for ever
        try {
          const { data } = await port.request(bytes, { timeout: 20_000 });
          assert.ok(kindOf(data) === Kind.response || kindOf(data) === Kind.fault, String(kindOf(data)));
        } catch (error) {
          if (!AlpcError.is(error) || !['ERR_ALPC_DISCONNECTED', 'ERR_ALPC_CLOSED', 'ERR_ALPC_QUOTA_EXCEEDED'].includes(error.code)) throw error;
        }
      });
      await Promise.all(answers);
      assert.equal(await client.add([1, 2]), 3);
    }),
    { numRuns: times(300, 100_000) },
  );
  assert.ok(drops > 1, 'it was dropped now and then');
  assert.ok(server.isListening);
});

test('a client gets a value or an error from any answer, and is not held by any of them', { timeout: 3_600_000 }, async (t) => {
  temporaryRoot(t);
  let answer: Buffer = Buffer.alloc(0);
  let before: Buffer[] = [];
  await using port = await createPort('\\RPC Control\\liar');
  port.on('message', (message) => {
    if (message.type !== 'request') return;
    if (kindOf(message.data) === Kind.bind) {
      message.reply(codec.frame(Kind.response, 0, 0, 0, 0, { version: '1.2', procedures: METHODS.map((_, i) => i) }));
      return;
    }
    for (const datagram of before) message.port.tryPost(datagram);
    message.reply(answer);
  });
  let client = await bind(Spooler, 'liar', { callbacks: [implement(Progress, { report: String, later: async (i) => String(i), note: () => {} })], limits: { valueLength: 100_000 } });
  atEnd(t, () => client.close());
  await fc.assert(
    fc.asyncProperty(packet, fc.array(packet, { maxLength: 4 }), fc.boolean(), async (bytes, datagrams, isStream) => {
      if (client.binding.state !== 'open') client = await bind(Spooler, 'liar', { limits: { valueLength: 100_000 } });
      answer = bytes;
      before = datagrams;
      try {
        if (isStream) for await (const _ of client.count({ to: 3 }, { timeout: 50 })) await Promise.resolve();
        else await client.echo('x', { timeout: 20_000 });
      } catch (error) {
        assert.ok(AlpcError.is(error) || error instanceof Fault || error instanceof RemoteError, String(error));
      }
      if (client.binding.peer.pid === process.pid && client.binding.state === 'gone') client.close();
    }),
    { numRuns: times(300, 30_000) },
  );
});

test('more items than the credit, and credit that nobody gave, end the connection', async (t) => {
  const { server } = await local(t);
  const faults: unknown[] = [];
  server.on('fault', (error) => faults.push(error));
  const upper = METHODS.findIndex(([name]) => name === 'upper');
  for (const attack of ['items', 'credit', 'unknown'] as const) {
    const port = await connectPort('\\RPC Control\\spooler');
    const open = port.request(codec.frame(Kind.stream, 0, upper, 1, 0xffff_ffff, ''));
    const lost = assert.rejects(open, failsWith('ERR_ALPC_DISCONNECTED'));
    if (attack === 'items') for (let i = 0; i < 3; i++) await port.post(Buffer.concat([header(Kind.items, Flag.opener, 0, 1, 0), new Uint8Array(30_000)]));
    else if (attack === 'credit') await port.post(header(Kind.credit, Flag.opener, 0, 1, 1));
    else await port.post(header(99, Flag.opener, 0, 1, 1));
    await lost;
    port.close();
  }
  assert.equal(faults.length, 3);
  assert.ok(faults.every((error) => AlpcError.is(error) && error.code === 'ERR_ALPC_PROTOCOL'));
});

const anything = fc.oneof(fc.constantFrom(undefined, null, -1, -2, 1.5, NaN, 65_535, 65_536, 2 ** 31, '', '1.2', '1.99999', '0.0', [], {}, [['echo']], [['echo', 'call', 'x']], [[1, 2]]), fc.anything({ withMap: true, withBigInt: true, withTypedArray: true }));
const replaced = (value: object): fc.Arbitrary<unknown> => fc.oneof(anything, fc.tuple(fc.constantFrom(...Object.keys(value)), anything).map(([key, other]) => (Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other })));
/** A frame of a value that is nearly right, or of one that is, with a byte changed, cut, or longer. */
const nearly = (kind: number, value: fc.Arbitrary<unknown>, right: unknown): fc.Arbitrary<Buffer> => {
  const bytesOf = (value: unknown): Buffer => Buffer.from(codec.frame(kind, 0, 0, 0, 0, value));
  const changed = fc.tuple(fc.nat(bytesOf(right).length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = bytesOf(right);
    bytes[at] = byte;
    return bytes;
  });
  const cut = fc.nat(bytesOf(right).length - 1).map((length) => bytesOf(right).subarray(0, length));
  return fc.oneof({ weight: 4, arbitrary: value.map(bytesOf) }, { weight: 2, arbitrary: changed }, { weight: 1, arbitrary: cut }, { weight: 1, arbitrary: body.map((more) => Buffer.concat([bytesOf(right), more])) });
};

test('a server numbers the methods of a bind that is nearly right, or answers it with a fault', { timeout: 3_600_000 }, async (t) => {
  const { client } = await local(t);
  let port = await connectPort('\\RPC Control\\spooler');
  atEnd(t, () => port.close());
  const right = { name: 'spooler', version: '1.2', uuid: Spooler.uuid, methods: METHODS };
  const value = fc.oneof(replaced(right), replaced(METHODS).map((methods) => ({ ...right, methods })), replaced(METHODS[0]!).map((pair) => ({ ...right, methods: METHODS.with(0, pair as string[]) })));
  const seen = { response: 0, fault: 0 };
  await fc.assert(
    fc.asyncProperty(nearly(Kind.bind, value, right), async (frame) => {
      if (port.closed) port = await connectPort('\\RPC Control\\spooler');
      const isBind = kindOf(frame) === Kind.bind;
      if (kindOf(frame) === Kind.stream) return;
      const { data } = await port.request(frame, { timeout: 20_000 });
      seen[kindOf(data) === Kind.response ? 'response' : 'fault']++;
      if (kindOf(data) === Kind.fault) assert.equal(isBind ? data[1]! & Flag.system : Flag.system, Flag.system, 'it refuses, and does not fail');
      else {
        assert.equal(kindOf(data), Kind.response);
        if (!isBind) return;
        const { version, procedures } = codec.value(data) as { version: string; procedures: number[] };
        assert.equal(version, '1.2');
        assert.ok(procedures.every((number) => number === -1 || (number >= 0 && number < METHODS.length)), String(procedures));
      }
      assert.equal(await client.add([1, 2]), 3);
    }),
    { numRuns: times(500, 100_000) },
  );
  assert.ok(seen.response > 0 && seen.fault > 0, JSON.stringify(seen));
});

test('a client believes no answer to its bind that does not number its methods', { timeout: 3_600_000 }, async (t) => {
  temporaryRoot(t);
  let answer: Buffer = Buffer.alloc(0);
  await using port = await createPort('\\RPC Control\\liar');
  port.on('message', (message) => message.type === 'request' && message.reply(kindOf(message.data) === Kind.bind ? answer : codec.frame(Kind.response, 0, 0, 0, 0, 'answered')));
  const right = { version: '1.2', procedures: METHODS.map((_, i) => i) };
  const value = fc.oneof(replaced(right), replaced(right.procedures).map((procedures) => ({ ...right, procedures })), fc.array(fc.integer({ min: -2, max: 65_536 }), { maxLength: 2 * METHODS.length }).map((procedures) => ({ ...right, procedures })));
  const seen = { bound: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(nearly(Kind.response, value, right), async (frame) => {
      answer = frame;
      try {
        using client = await bind(Spooler, 'liar', { limits: { valueLength: 100_000 }, timeout: 20_000 });
        seen.bound++;
        if (client.binding.has('echo')) assert.equal(await client.echo('x', { timeout: 20_000 }), 'answered');
        else await assert.rejects(client.echo('x'), failsWith('ERR_ALPC_UNKNOWN_METHOD'));
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assert.ok(AlpcError.is(error) || error instanceof Fault || error instanceof RemoteError, String(error));
        seen.refused++;
      }
    }),
    { numRuns: times(300, 20_000) },
  );
  assert.ok(seen.bound > 0 && seen.refused > 0, JSON.stringify(seen));
});

test('where a list has holes, as may come over the wire, it is none: of procedure numbers, of methods, of interfaces', async (t) => {
  const { client } = await local(t);
  const holes = (length: number): unknown[] => Object.assign([], { length });
  const bindOf = (methods: unknown): Buffer => codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', uuid: Spooler.uuid, methods });
  await using stranger = await connectPort('\\RPC Control\\spooler');
  for (const [methods, kind] of [[METHODS, Kind.response], [holes(METHODS.length), Kind.fault], [METHODS.with(0, holes(2) as string[]), Kind.fault]] as const) {
    assert.equal(kindOf((await stranger.request(bindOf(methods))).data), kind);
  }
  assert.equal(await client.echo('still there'), 'still there');
  await using liar = await createPort('\\RPC Control\\liar');
  liar.on('message', (message) => message.type === 'request' && message.reply(codec.frame(Kind.response, 0, 0, 0, 0, kindOf(message.data) === Kind.bind ? { version: '1.2', procedures: holes(METHODS.length) } : 'answered')));
  await assert.rejects(bind(Spooler, 'liar'), failsWith('ERR_ALPC_PROTOCOL'));
});

test('an interface with a security callback is closed to who did not bind it, whatever procedure number they guess', async (t) => {
  temporaryRoot(t);
  const Secret = defineInterface({ name: 'secret', version: '1.0' }, { tell: call<void, string>() });
  const server = await serve(Secret, { tell: () => 'the secret' }, { endpoint: 'secret', allow: () => false });
  atEnd(t, () => server.close());
  const port = await connectPort('\\RPC Control\\secret');
  atEnd(t, () => port.close());
  for (const kind of [Kind.call, Kind.stream]) {
    const { data } = await port.request(codec.frame(kind, 0, 0, 1, 0xffff_ffff, undefined));
    assert.equal(kindOf(data), Kind.fault);
    assert.doesNotMatch(data.toString('latin1'), /the secret/);
  }
});

test('B33: names that every object has are no methods of an interface: a bind by hand gets no number for them, and the numbers that it got instead call nothing', async (t) => {
  const { client } = await local(t);
  const port = await connectPort('\\RPC Control\\spooler');
  atEnd(t, () => port.close());
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'then', 'valueOf', 'close', 'echo'];
  for (const kind of ['call', 'stream', 'one-way', 'constructor', '__proto__']) {
    const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: names.map((name) => [name, kind]) }));
    if (kindOf(data) === Kind.fault) continue; // a kind that is none
    const { procedures } = codec.value(data) as { procedures: number[] };
    assert.deepEqual(procedures.map((number) => number >= 0), names.map((name) => name === 'echo' && kind === 'call'), kind);
    for (const number of procedures.filter((one) => one < 0)) assert.equal(kindOf((await port.request(codec.frame(Kind.call, 0, number & 0xffff, 1, 0xffff_ffff, undefined))).data), Kind.fault);
  }
  for (const name of ['__proto__', 'constructor']) {
    const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name, version: '1.2', methods: METHODS }));
    assert.equal(kindOf(data), Kind.fault, 'nor is it the name of an interface');
  }
  assert.equal(await client.add([1, 2]), 3);
});

test('long values that are begun and never ended are bounded, and go with the connection', async (t) => {
  const { client } = await local(t, { limits: { valueLength: 1_000_000 } });
  const port = await connectPort('\\RPC Control\\spooler');
  atEnd(t, () => port.close());
  const push = (number: number, total: number): Promise<number> => port.request(Buffer.concat([header(Kind.push, 0, 0, number, total), new Uint8Array(10)])).then(({ data }) => kindOf(data));
  assert.equal(await push(1, 900_000), Kind.response);
  assert.equal(await push(2, 900_000), Kind.fault);
  assert.equal(await push(3, 0xffff_ffff), Kind.fault);
  port.tryPost(header(Kind.drop, Flag.opener, 0, 1, 0));
  assert.equal(await push(4, 900_000), Kind.response);
  assert.equal(kindOf((await port.request(header(Kind.pull, 0, 0, 77, 0))).data), Kind.fault);
  assert.equal(kindOf((await port.request(header(Kind.call, Flag.long, 0, 4, 0))).data), Kind.fault);
  assert.equal(((await client.echo(new Uint8Array(900_000))) as Uint8Array).length, 900_000);
});
