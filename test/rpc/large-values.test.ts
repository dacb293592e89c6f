/** Values that do not fit into a message: by view, in parts where the peer takes no view, and from peers that claim what is not so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AlpcError, connectPort, createPort, type Message } from '../../src/index.js';
import { bind, call, defineInterface, oneWay, serve, stream, type } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Flag, header, HEADER, Kind, kindOf } from '../../src/rpc/frame.js';
import { joinLarge } from '../../src/rpc/large-values.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, local, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

const codec = new Codec(DEFAULT_BOUNDS);
const LONG = 65_536;

/** As it would stand in a view. */
function large(value: unknown): Buffer {
  const runs: Uint8Array[] = [];
  const frame = codec.frame(Kind.call, 0, 0, 0, 0, value, runs);
  return joinLarge(frame, runs);
}

function bytes(length: number, seed = 7): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
}

const shared = bytes(LONG + 3);
const VALUES: Record<string, unknown> = {
  'bytes and nothing else': bytes(LONG),
  'runs among other things': { a: 1, one: bytes(LONG), two: [bytes(LONG + 1), 'between', bytes(70_001)], map: new Map([['k', bytes(LONG)]]), after: 'all that' },
  'arrays of other kinds': [new Float64Array(10_000).fill(0.5), new Int16Array(50_000).fill(-2), new BigInt64Array(10_000).fill(-5n), new DataView(new ArrayBuffer(80_000))],
  'a buffer': bytes(LONG).buffer,
  'one run, twice': { first: shared, second: shared },
  'no run at all': 'é'.repeat(100_000),
  'many small things': Array.from({ length: 20_000 }, (_, i) => ({ i })),
};

for (const [name, value] of Object.entries(VALUES)) {
  test(`a long value comes back as it was: ${name}`, () => {
    const back = codec.large(large(value));
    assert.deepStrictEqual(back, value);
    if (name === 'one run, twice') assert.equal((back as { first: unknown }).first, (back as { second: unknown }).second);
  });
}

test('a long value is bounded with all its runs', () => {
  const narrow = new Codec({ depth: 10, valueLength: 150_000 });
  assert.throws(() => narrow.frame(Kind.call, 0, 0, 0, 0, [bytes(LONG), bytes(LONG), bytes(LONG)], []), failsWith('ERR_ALPC_BAD_VALUE'));
  assert.deepEqual(narrow.large(large([bytes(LONG), bytes(LONG)])), [bytes(LONG), bytes(LONG)]);
  assert.throws(() => narrow.large(large([bytes(LONG), bytes(LONG), bytes(LONG)])), failsWith('ERR_ALPC_BAD_VALUE'));
});

test('bytes of a long value that were changed are a value or ERR_ALPC_BAD_VALUE, and no run reaches beyond what came', () => {
  const whole = large([bytes(LONG), { text: 'between', more: bytes(LONG + 5).buffer }]);
  const skeleton = whole.readUInt32LE(0) + 8;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(skeleton), fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 0x7f, 0xd1, 0xd7, 0xff))), { minLength: 1, maxLength: 6 }), fc.nat(whole.length), fc.boolean(), (changes, length, cuts) => {
      const changed = Buffer.from(cuts ? whole.subarray(0, length) : whole);
      for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte;
      try {
        codec.large(changed);
      } catch (error) {
        if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_BAD_VALUE') throw error;
      }
    }),
    { numRuns: times(300, 20_000) },
  );
});

test('long inputs of all kinds of methods go by view, and what they went in comes back', async (t) => {
  temporaryRoot(t);
  const Kinds = defineInterface({ name: 'kinds', version: '1.0' }, { length: call<Uint8Array, number>(), note: oneWay<Uint8Array>(), items: stream({ input: type<Uint8Array>(), output: type<number>() }), noted: call<void, number>() });
  let noted = 0;
  const server = await serve(Kinds, { length: (value) => value.length, note: (value) => void (noted += value.length), *items(value) { yield value.length; yield value[5]!; }, noted: () => noted }, { endpoint: 'kinds' }); // oxlint-disable-line max-statements-per-line
  atEnd(t, () => server.close());
  const client = await bind(Kinds, 'kinds');
  atEnd(t, () => client.close());
  const value = bytes(300_000);
  for (let i = 0; i < 200; i++) {
    // 60 MiB in all, through 4 MiB: regions are used again.
    assert.equal(await client.length(value), 300_000);
    if (i % 20 > 0) continue;
    await client.note(value);
    client.note.sync(value);
    const items: number[] = [];
    for await (const item of client.items(value)) items.push(item);
    assert.deepEqual(items, [300_000, value[5]]);
  }
  assert.equal(await client.noted(), 20 * 300_000);
});

test('a long answer goes by view to who takes views', async (t) => {
  const { client } = await local(t);
  const port = await connectPort('\\RPC Control\\spooler', { accepts: ['view'] });
  atEnd(t, () => port.close());
  const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: [['echo', 'call']] }));
  const [echo] = (codec.value(data) as { procedures: number[] }).procedures;
  for (const value of [bytes(300_000), bytes(9_000_000), 'é'.repeat(100_000)]) {
    const contents = large(value);
    const section = port.createSection(contents.length);
    const view = section.createView(contents.length);
    contents.copy(view.bytes);
    const answer = await port.request(header(Kind.call, Flag.viewed, echo!, 0, 0xffff_ffff), { view, autoRelease: true });
    assert.deepEqual([kindOf(answer.data), answer.data[1], answer.data.length], [Kind.response, Flag.viewed, HEADER]);
    assert.deepEqual(codec.large(answer.view!.bytes), value);
    answer.release();
    section.close();
  }
  assert.equal(await client.add([1, 2]), 3);
});

test('a long input goes by view to who takes views, of every kind of method', async (t) => {
  temporaryRoot(t);
  await using port = await createPort('\\RPC Control\\looks', { accepts: ['view'] });
  const seen: [kind: number, flags: number, length: number, value: unknown][] = [];
  port.on('message', (message: Message) => {
    if (message.type !== 'request' && message.type !== 'datagram') return;
    const { data } = message;
    if (kindOf(data) === Kind.bind && message.type === 'request') {
      message.reply(codec.frame(Kind.response, 0, 0, 0, 0, { version: '1.2', procedures: Object.keys(Spooler.methods).map((_, i) => i) }));
      return;
    }
    seen.push([kindOf(data), data[1]!, data.length, message.view === undefined ? undefined : codec.large(message.view.bytes)]);
    message.release();
    if (message.type === 'request') message.reply(codec.frame(Kind.response, 0, 0, 0, 0, undefined));
  });
  const client = await bind(Spooler, 'looks');
  atEnd(t, () => client.close());
  const value = bytes(300_000);
  await client.echo(value);
  await client.log(value as never);
  client.log.sync(value as never);
  for await (const _ of client.upper(value as never, { items: [] }));
  assert.deepEqual(seen.filter(([kind]) => kind !== Kind.end), [Kind.call, Kind.oneWay, Kind.oneWay, Kind.stream].map((kind) => [kind, Flag.viewed, HEADER, value]));
});

test('many long values at once are more than the peer has views for: the rest goes in parts, and all arrive', async (t) => {
  const { client } = await local(t, { portLimits: { views: 2, sections: 1, sectionBytes: 5 * 1024 * 1024 } }, { portLimits: { views: 2, sections: 1, sectionBytes: 4 * 1024 * 1024 } });
  const values = Array.from({ length: 12 }, (_, i) => bytes(100_000 + 500_000 * (i % 3), i));
  assert.deepEqual(await Promise.all(values.map((value) => client.echo(value))), values);
});

test('a peer that takes no views gets long values in parts, both ways', async (t) => {
  await remote(t);
  const port = await connectPort('\\RPC Control\\spooler'); // one that does not say that it takes any
  atEnd(t, () => port.close());
  const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: [['echo', 'call']] }));
  const [echo] = (codec.value(data) as { procedures: number[] }).procedures;
  const value = large(bytes(200_000));
  for (let at = 0; at < value.length; at += 60_000) await port.request(Buffer.concat([header(Kind.push, 0, 0, 1, value.length), value.subarray(at, at + 60_000)]));
  const answer = (await port.request(header(Kind.call, Flag.long, echo!, 1, 0xffff_ffff))).data;
  assert.equal(kindOf(answer), Kind.response);
  assert.equal(answer[1], Flag.long);
  const [number, length] = [answer.readUInt32LE(4), answer.readUInt32LE(8)];
  const parts: Buffer[] = [];
  for (let at = 0; at < length; at += parts.at(-1)!.length) parts.push((await port.request(header(Kind.pull, 0, 0, number, at))).data.subarray(HEADER));
  assert.deepEqual(codec.large(Buffer.concat(parts)), bytes(200_000));
});

test('views that nobody asked for, that are missing, or that lie are released and answered with a fault', async (t) => {
  const { client, server } = await local(t, { limits: { valueLength: 1_000_000 } });
  const faults: unknown[] = [];
  server.on('fault', (error) => faults.push(error));
  const port = await connectPort('\\RPC Control\\spooler');
  atEnd(t, () => port.close());
  const methods = ['echo', 'log', 'upper'];
  const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'spooler', version: '1.2', methods: [['echo', 'call'], ['log', 'one-way'], ['upper', 'stream']] }));
  const { procedures } = codec.value(data) as { procedures: number[] };
  const procedure = (name: string): number => procedures[methods.indexOf(name)]!;
  const section = port.createSection(2_000_000);
  const ask = async (frame: Buffer, contents: Buffer | undefined): Promise<number> => {
    const view = contents === undefined ? undefined : section.createView(contents.length);
    if (view !== undefined) contents!.copy(view.bytes);
    const answer = await port.request(frame, view === undefined ? {} : { view, autoRelease: true });
    answer.release();
    return kindOf(answer.data);
  };
  const good = large(bytes(70_000));
  const lying = Buffer.from(good);
  lying.writeUInt32LE(0xffff_fff0, 0);
  const short = good.subarray(0, 5000);
  assert.equal(await ask(header(Kind.call, Flag.viewed, procedure('echo'), 0, 0xffff_ffff), good), Kind.response);
  assert.equal(await ask(header(Kind.call, Flag.viewed, procedure('echo'), 0, 0xffff_ffff), undefined), Kind.fault);
  assert.equal(await ask(header(Kind.call, Flag.viewed, procedure('echo'), 0, 0xffff_ffff), lying), Kind.fault);
  assert.equal(await ask(header(Kind.call, Flag.viewed, procedure('echo'), 0, 0xffff_ffff), short), Kind.fault);
  assert.equal(await ask(header(Kind.call, Flag.viewed, procedure('echo'), 0, 0xffff_ffff), Buffer.alloc(1_500_000)), Kind.fault);
  assert.equal(await ask(header(Kind.stream, Flag.viewed, procedure('upper'), 1, 0xffff_ffff), lying), Kind.fault);
  assert.equal(await ask(codec.frame(Kind.call, 0, procedure('echo'), 0, 0xffff_ffff, 'with a view that nobody asked for'), good), Kind.response);
  assert.equal(await ask(header(99, Flag.viewed, 0, 0, 0), good), Kind.fault);
  for (const frame of [header(Kind.oneWay, Flag.viewed, procedure('log'), 0, 0), header(Kind.stop, Flag.opener, 0, 55, 0)]) {
    const view = section.createView(lying.length);
    lying.copy(view.bytes);
    await port.post(frame, { view, autoRelease: true });
  }
  await until('all has come back', () => port.info().viewsOut === 0);
  assert.equal(section.free, section.size);
  assert.equal(await client.add([1, 2]), 3);
  assert.ok(faults.length >= 1);
});

test('a server that answers with a view that lies is told apart from one that answers', async (t) => {
  temporaryRoot(t);
  await using port = await createPort('\\RPC Control\\liar', { accepts: ['view'] });
  let contents: Buffer = Buffer.alloc(0);
  let withView = true;
  port.on('message', (message: Message) => {
    if (message.type !== 'request') return;
    message.release();
    if (kindOf(message.data) === Kind.bind) {
      message.reply(codec.frame(Kind.response, 0, 0, 0, 0, { version: '1.2', procedures: Object.keys(Spooler.methods).map((_, i) => i) }));
      return;
    }
    const view = withView ? message.port.createSection(contents.length).createView(contents.length) : undefined;
    if (view !== undefined) contents.copy(view.bytes);
    message.reply(header(Kind.response, Flag.viewed, 0, 0, 0), view === undefined ? {} : { view, autoRelease: true });
  });
  const client = await bind(Spooler, 'liar', { limits: { valueLength: 100_000 } });
  atEnd(t, () => client.close());
  const cases: [Buffer, boolean, AlpcError['code'] | undefined][] = [
    [large(bytes(70_000)), true, undefined],
    [large(bytes(70_000)), false, 'ERR_ALPC_PROTOCOL'],
    [large(bytes(70_000)).fill(0xff, 0, 4), true, 'ERR_ALPC_BAD_VALUE'],
    [large(bytes(70_000)).subarray(0, 3), true, 'ERR_ALPC_BAD_VALUE'],
    [large(bytes(200_000)), true, 'ERR_ALPC_BAD_VALUE'],
  ];
  for (const [bytes_, has, code] of cases) {
    contents = bytes_;
    withView = has;
    if (code === undefined) assert.deepEqual(await client.echo(1), bytes(70_000));
    else await assert.rejects(client.echo(1), failsWith(code));
  }
  assert.equal(port.connections[0]!.info().viewsOut, 0);
});

test('a call that is given up while its value goes leaves nothing out', async (t) => {
  const { client } = await local(t);
  const value = bytes(3_000_000);
  for (let i = 0; i < times(30, 1000); i++) {
    const controller = new AbortController();
    const answers = [client.echo(value, { signal: controller.signal }), client.echo(value, { timeout: i % 5 }), client.echo(value)];
    setImmediate(() => controller.abort());
    const [, , last] = await Promise.allSettled(answers);
    assert.equal(last!.status, 'fulfilled');
  }
  assert.equal(await client.add([1, 2]), 3);
});
