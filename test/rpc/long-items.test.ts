/** Items of streams that fit into no message: both ways, with credit, left half way, and from peers that claim what is not so. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlpcError, type ClientPort, connectPort } from '../../src/index.js';
import { bind, type Client, defineInterface, serve, type Server, type ServeOptions, stream, type } from '../../src/rpc/index.js';
import type { BindOptions } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Flag, header, Kind, kindOf } from '../../src/rpc/frame.js';
import { joinLarge } from '../../src/rpc/large-values.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, remote, until } from './expect.js';
import { Spooler } from './spooler.js';

withLedger();

const MIB = 1024 * 1024;
const Films = defineInterface({ name: 'films', version: '1.0' }, {
  echo: stream({ items: type<unknown>(), output: type<unknown>() }),
  flood: stream<number, Uint8Array>(),
  sink: stream({ items: type<Uint8Array>(), output: type<number>() }),
  first: stream({ items: type<Uint8Array>(), output: type<number>() }),
}); // prettier-ignore

interface Here {
  server: Server;
  client: Client<(typeof Films)['methods']>;
  /** What the flood has produced, and how many of its generators have ended. */
  made: { items: number; ended: number };
  faults: unknown[];
  /** Lets the sink read. */
  open: () => void;
}

async function films(t: TestContext, options: ServeOptions = {}, bindOptions: BindOptions = {}): Promise<Here> {
  temporaryRoot(t);
  const made = { items: 0, ended: 0 };
  const faults: unknown[] = [];
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const server = await serve(Films, {
    async *echo(_, __, items) {
      yield* items;
    },
    *flood(length) {
      try {
        for (;;) yield new Uint8Array(length).fill(made.items++);
      } finally {
        made.ended++;
      }
    },
    async *sink(_, __, items) {
      await opened;
      for await (const item of items) yield item.length;
    },
    async *first(_, __, items) {
      yield (await items.next()).value?.length ?? 0;
    },
  }, { endpoint: 'films', ...options }); // prettier-ignore
  server.on('fault', (error) => faults.push(error));
  atEnd(t, () => server.close());
  const client = await bind(Films, 'films', bindOptions);
  atEnd(t, () => client.close());
  return { server, client, made, faults, open };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function bytes(length: number, seed = 7): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
}

test('long items and short ones arrive in their order, as they were, there and back', async (t) => {
  const { client } = await films(t);
  const items = Array.from({ length: times(60, 600) }, (_, i) => [i, bytes(65_000 + 200 * i, i), 'é'.repeat(40_000 + i), { frame: i, pixels: bytes(70_000 + i), more: [new Float64Array(10_000).fill(i)] }, undefined][i % 5]);
  assert.deepStrictEqual(await collect(client.echo(undefined, { items })), items);
});

test('an item may be as long as a value, and a longer one fails its stream alone', async (t) => {
  const { client, open } = await films(t, {}, { limits: { valueLength: 4 * MIB } });
  open();
  const whole = client.flood(4 * MIB - 100);
  for (let i = 0; i < 5; i++) assert.equal((await whole.next()).value?.[4 * MIB - 101], i);
  await whole.return?.();
  await assert.rejects(collect(client.flood(4 * MIB + 65_536)), failsWith('ERR_ALPC_BAD_VALUE'));
  await assert.rejects(collect(client.sink(undefined, { items: [new Uint8Array(5 * MIB)] })), { code: 'ERR_ALPC_BAD_VALUE' }); // its own limit holds for what it sends, too
  assert.deepEqual(await collect(client.echo(undefined, { items: [1, 2] })), [1, 2]);
});

test('a slow reader of long items holds its writer back: by what is on its way, one item and one that is made', async (t) => {
  const { client, made, open } = await films(t);
  const slow = client.flood(MIB);
  for (let i = 0; i < 5; i++) {
    assert.equal((await slow.next()).value?.[0], i);
    await sleep(20);
    assert.ok(made.items <= i + 4, `${made.items} were made when ${i + 1} had been read`);
  }
  await slow.return?.();
  let taken = 0;
  const sunk = client.sink(undefined, { items: (function* () { for (; taken < 20; taken++) yield new Uint8Array(MIB); })() }); // prettier-ignore
  await sleep(50);
  assert.ok(taken <= 3, `${taken} were taken from the source`);
  open();
  assert.deepEqual(await collect(sunk), Array.from({ length: 20 }, () => MIB));
});

test('who leaves a stream of long items half way ends its source, in both directions, and all memory comes back', async (t) => {
  const { client, made } = await films(t, { portLimits: { views: 3, sections: 2, sectionBytes: 8 * MIB } }, { portLimits: { views: 3, sections: 2, sectionBytes: 8 * MIB } });
  let ended = 0;
  function* source(): Generator<Uint8Array> {
    try {
      for (;;) yield bytes(MIB);
    } finally {
      ended++;
    }
  }
  for (let i = 1; i <= times(30, 1000); i++) {
    for await (const item of client.flood(i % 3 === 0 ? 100_000 : MIB)) if (item.length > 0) break;
    assert.deepEqual(await collect(client.first(undefined, { items: source() })), [MIB]);
    await until('both sources are told', () => made.ended === i && ended === i);
  }
  assert.deepEqual(await collect(client.echo(undefined, { items: [bytes(MIB)] })), [bytes(MIB)]);
});

test('more long items than the peer has views for go in parts, and wait while it holds as much as it may', async (t) => {
  const limits = { portLimits: { views: 1, sections: 1, sectionBytes: 4 * MIB }, limits: { valueLength: 3 * MIB } };
  const { client } = await films(t, limits, limits);
  const held = Array.from({ length: 3 }, () => client.flood(MIB)); // nobody reads them for now: one view and two items in parts are taken
  await sleep(50);
  const echoed = await Promise.all(Array.from({ length: 4 }, (_, i) => collect(client.echo(undefined, { items: [bytes(MIB, i), i] })).then(([first, second]) => [(first as Uint8Array)[0], second])));
  assert.deepEqual(echoed.length, 4);
  echoed.forEach(([first, second], i) => assert.deepEqual([first, second], [bytes(1, i)[0]!, i]));
  for (const items of held) {
    for (let i = 0; i < 3; i++) assert.equal((await items.next()).value?.length, MIB);
    await items.return?.();
  }
});

test('a server that is killed between long items ends the stream with an error', async (t) => {
  const actor = await remote(t);
  const client = await bind(Spooler, 'spooler');
  atEnd(t, () => client.close());
  const items = client.blobs({ count: 1000, length: MIB });
  assert.equal((await items.next()).value?.length, MIB);
  await actor.kill();
  await assert.rejects(collect(items), (error) => AlpcError.is(error) && ['ERR_ALPC_MESSAGE_LOST', 'ERR_ALPC_DISCONNECTED'].includes(error.code));
});

const codec = new Codec(DEFAULT_BOUNDS);

/** A peer that writes its frames by hand, with a stream open that takes items and does not read them. */
async function attacker(t: TestContext): Promise<Here & { port: ClientPort; send: (frame: Buffer, contents?: Buffer) => Promise<void> }> {
  const here = await films(t);
  const port = await connectPort('\\RPC Control\\films');
  atEnd(t, () => port.close());
  const { data } = await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'films', version: '1.0', methods: [['sink', 'stream']] }));
  const [sink] = (codec.value(data) as { procedures: number[] }).procedures;
  port.request(codec.frame(Kind.stream, 0, sink!, 1, 0xffff_ffff, undefined)).catch(() => {});
  const section = port.createSection(8 * MIB);
  const send = async (frame: Buffer, contents?: Buffer): Promise<void> => {
    if (contents === undefined) return port.post(frame);
    const view = section.createView(contents.length);
    contents.copy(view.bytes);
    await port.post(frame, { view, autoRelease: true });
  };
  return { ...here, port, send };
}

const item = (): Buffer => {
  const runs: Uint8Array[] = [];
  return joinLarge(codec.frame(Kind.items, 0, 0, 0, 0, bytes(100_000), runs), runs);
};

const BREACHES: Record<string, { frames: Buffer[]; views: number }> = {
  'that it is in a view, and none came': { frames: [header(Kind.items, Flag.opener | Flag.viewed, 0, 1, 0)], views: 0 },
  'that it was pushed, and it was not': { frames: [header(Kind.items, Flag.opener | Flag.long, 0, 1, 77)], views: 0 },
  'nothing of the credit that it lacks': { frames: [header(Kind.items, Flag.opener | Flag.viewed, 0, 1, 0), header(Kind.items, Flag.opener | Flag.viewed, 0, 1, 0)], views: 2 },
}; // prettier-ignore
for (const [what, { frames, views }] of Object.entries(BREACHES)) {
  test(`a long item that says ${what} ends the connection, and that alone`, async (t) => {
    const { port, send, client, faults } = await attacker(t);
    for (const [i, frame] of frames.entries()) await send(frame, i < views ? item() : undefined).catch(() => {});
    await until('the connection is ended', () => port.closed);
    assert.ok(faults.some(failsWith('ERR_ALPC_PROTOCOL')));
    assert.deepEqual(await collect(client.echo(undefined, { items: [1] })), [1]);
  });
}

test('views of long items come back: of a stream that is not open, of one that does not begin, of one that is given up', async (t) => {
  const { port, send, open } = await attacker(t);
  await send(header(Kind.items, Flag.opener | Flag.viewed, 0, 99, 0), item());
  await send(header(Kind.items, Flag.viewed, 0, 1, 0), item()); // not the server's
  await until('two are back', () => port.info().viewsOut === 0);
  await send(header(Kind.items, Flag.opener | Flag.viewed, 0, 1, 0), item().fill(0xff, 0, 4)); // no value, which is seen when it is asked for
  open();
  await until('the third is back', () => port.info().viewsOut === 0);
});

test('parts of a long item for a stream that is not open are let go of', async (t) => {
  const { port, client } = await attacker(t);
  for (let number = 1; number < times(1200, 20_000); number++) {
    const pushed = await port.request(Buffer.concat([header(Kind.push, 0, 0, number, 60_000), bytes(60_000)]));
    assert.equal(kindOf(pushed.data), Kind.response, `transfer ${number}`);
    await port.post(header(Kind.items, Flag.opener | Flag.long, 0, 99, number));
  }
  assert.deepEqual(await collect(client.echo(undefined, { items: [1] })), [1]);
});
