/**
 * Long values stand in memory that their sender can still write to. Whatever it changes there, and whenever, the receiver checks one value and
 * uses the same: each byte is read once, into memory of the receiver's own, before anything is believed of it.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type ClientPort, CompletionPort, connectPort, createPort, type Message, ThreadPool } from '../../src/index.js';
import { bind, call, type ContextHandle, defineInterface, oneWay, pooled, type Schema, serve, stream, type } from '../../src/rpc/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { Flag, header, Kind, kindOf } from '../../src/rpc/frame.js';
import { joinLarge } from '../../src/rpc/large-values.js';
import type { SchemaResult } from '../../src/rpc/schema.js';
import { DEFAULT_BOUNDS } from '../../src/rpc/value-encoder.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { until } from './expect.js';
import { Threads } from './threads.js';

withLedger({ except: ['resources'] });

const codec = new Codec(DEFAULT_BOUNDS);
const LONG = 70_000;

/** As it stands in a view. */
function large(value: unknown): Buffer {
  const runs: Uint8Array[] = [];
  const frame = codec.frame(Kind.call, 0, 0, 0, 0, value, runs);
  return joinLarge(frame, runs);
}

/** A value that says `word` in each of its parts, in the part that is copied first and in the runs of bytes. All of them are equally long. */
const saying = (word: 'good' | 'evil'): Record<string, unknown> => ({ role: word, list: [word, { word }], text: word.repeat(100), bytes: new Uint8Array(LONG).fill(word.charCodeAt(0)), numbers: new Float64Array(10_000).fill(word.length + word.charCodeAt(0)) });
const [GOOD, EVIL] = [large(saying('good')), large(saying('evil'))];

test('of a long value no byte is read twice, and what is changed as soon as it was read changes nothing', () => {
  assert.equal(GOOD.length, EVIL.length);
  const memory = Buffer.from(GOOD);
  const reads = new Uint8Array(memory.length);
  const read = <T>(from: number, to: number, what: () => T): T => {
    const result = what();
    for (let at = from; at < to; at++) reads[at]!++;
    EVIL.copy(memory, from, from, to);
    return result;
  };
  /** The memory between two places, as it is, by the ways in which it may be read. Any other is one that this test does not know. */
  const watch = (start: number, end: number): Buffer => {
    const methods = {
      readUInt32LE: (at: number) => read(start + at, start + at + 4, () => memory.readUInt32LE(start + at)),
      copy: (target: Buffer, at: number, from: number, to: number) => read(start + from, start + to, () => memory.copy(target, at, start + from, start + to)),
      subarray: (from: number, to: number) => watch(start + from, start + to),
    };
    return new Proxy(memory, {
      get(_, key) {
        if (key === 'length') return end - start;
        if (typeof key === 'string' && /^\d+$/.test(key)) return read(start + Number(key), start + Number(key) + 1, () => memory[start + Number(key)]);
        if (key in methods) return methods[key as keyof typeof methods];
        throw new Error(`it is read by ${String(key)}`);
      },
    });
  };
  assert.deepEqual(codec.large(watch(0, memory.length)), saying('good'));
  assert.equal(Math.max(...new Set(reads)), 1);
  assert.ok(!isDeepStrictEqual(codec.large(memory), saying('good')), 'what was read is changed by now'); // without the picture of all differences, for which Node 26 takes minutes
});

/** What was checked, and what was used. */
interface Seen {
  readonly checked: unknown[];
  readonly used: unknown[];
}

/** A validator which takes everything, and while it looks the sender changes what it has sent. */
function whileChanged(seen: Seen, change: () => void, isAsync: boolean): Schema {
  const validate = (value: unknown): SchemaResult<unknown> | Promise<SchemaResult<unknown>> => {
    seen.checked.push(structuredClone(value));
    change();
    return isAsync ? new Promise((resolve) => void setImmediate(() => resolve({ value }))) : { value };
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

/** A view of a value that its sender goes on to write to. */
function viewOf(t: TestContext, port: Pick<ClientPort, 'createSection'>, contents: Buffer): { view: NonNullable<ReturnType<ReturnType<ClientPort['createSection']>['createView']>>; change: (into: Buffer) => void } {
  const section = port.createSection(contents.length);
  const view = section.createView(contents.length);
  atEnd(t, () => section.close());
  contents.copy(view.bytes);
  return { view, change: (into) => void into.copy(view.bytes) };
}

for (const how of ['at once', 'after a while'] as const) {
  test(`a server uses the very value that it checked (${how}), though its client changes the memory meanwhile: of calls, one-way calls, streams and their items`, async (t) => {
    temporaryRoot(t);
    const seen: Seen = { checked: [], used: [] };
    let change = (): void => {};
    const schema = whileChanged(seen, () => change(), how === 'after a while');
    const Checked = defineInterface({ name: 'checked', version: '1.0' }, { take: call({ input: schema }), note: oneWay({ input: schema }), open: stream({ input: schema, output: type<number>() }), items: stream({ items: schema, output: type<number>() }) });
    const use = (value: unknown): void => void seen.used.push(structuredClone(value));
    const server = await serve(Checked, {
      take: use,
      note: use,
      *open(value) {
        use(value);
        yield 1;
      },
      async *items(_, __, items) {
        for await (const item of items) {
          use(item);
          yield 1;
          return;
        }
      },
    }, { endpoint: 'checked' }); // prettier-ignore
    atEnd(t, () => server.close());
    const port = await connectPort('\\RPC Control\\checked');
    atEnd(t, () => port.close());
    const methods = [['take', 'call'], ['note', 'one-way'], ['open', 'stream'], ['items', 'stream']] as const;
    const { procedures } = codec.value((await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'checked', version: '1.0', methods }))).data) as { procedures: number[] };
    for (const [index, [name]] of methods.entries()) {
      const { view, change: write } = viewOf(t, port, GOOD);
      change = () => write(EVIL);
      const frame = (kind: number): Buffer => header(kind, Flag.viewed, procedures[index]!, 1, 0xffff_ffff);
      if (name === 'take') await port.request(frame(Kind.call), { view });
      else if (name === 'note') await port.post(frame(Kind.oneWay), { view });
      else if (name === 'open') void port.request(frame(Kind.stream), { view }).catch(() => {});
      else {
        void port.request(codec.frame(Kind.stream, 0, procedures[index]!, 2, 0xffff_ffff, undefined)).catch(() => {});
        await port.post(header(Kind.items, Flag.opener | Flag.viewed, 0, 2, 0), { view });
      }
      await until(`${name} has used it`, () => seen.used.length === index + 1);
      assert.ok(view.bytes.equals(EVIL), 'it was changed');
      assert.deepEqual(seen.checked.at(-1), saying('good'), name);
      assert.deepEqual(seen.used.at(-1), saying('good'), name);
    }
  });
}

test('a client uses the very answer that it checked, though its server changes the memory meanwhile', async (t) => {
  temporaryRoot(t);
  const seen: Seen = { checked: [], used: [] };
  let change = (): void => {};
  const Asked = defineInterface({ name: 'asked', version: '1.0' }, { tell: call({ output: whileChanged(seen, () => change(), true) }) });
  await using port = await createPort('\\RPC Control\\asked', { accepts: ['view'] });
  port.on('message', (message: Message) => {
    if (message.type !== 'request') return;
    if (kindOf(message.data) === Kind.bind) {
      message.reply(codec.frame(Kind.response, 0, 0, 0, 0, { version: '1.0', procedures: [0] }));
      return;
    }
    const { view, change: write } = viewOf(t, message.port, GOOD);
    change = () => write(EVIL);
    message.reply(header(Kind.response, Flag.viewed, 0, 0, 0), { view });
  });
  const client = await bind(Asked, 'asked');
  atEnd(t, () => client.close());
  assert.deepEqual(await client.tell(), saying('good'));
  assert.deepEqual(seen.checked, [saying('good')]);
});

test('a call of a pooled interface goes to the thread of the handle that its thread then finds in it, though the client names another meanwhile', async (t) => {
  temporaryRoot(t);
  const completions = new CompletionPort({ concurrency: 2 });
  const pool = new ThreadPool({ worker: new URL('./threads-handler.js', import.meta.url), completions, minThreads: 2, maxThreads: 2, workerData: '/dev/null' });
  const server = await serve([pooled(Threads, pool)], { endpoint: 'threads' });
  atEnd(t, async () => {
    await server.close();
    await pool.close();
    completions.close();
    completions.leave();
  });
  const port = await connectPort('\\RPC Control\\threads');
  atEnd(t, () => port.close());
  const methods = ['open', 'add', 'spin'].map((name) => [name, 'call']);
  const { procedures } = codec.value((await port.request(codec.frame(Kind.bind, 0, 0, 0, 0, { name: 'threads', version: '1.0', methods }))).data) as { procedures: number[] };
  const ask = async (name: number, value: unknown): Promise<unknown> => codec.value((await port.request(codec.frame(Kind.call, 0, procedures[name]!, 0, 0xffff_ffff, value))).data);
  interface Opened { handle: ContextHandle; thread: number }
  const opened = (await ask(0, 'first')) as Opened;
  let other = opened;
  // The thread that has the first one may be the one that is free, so some more are opened while it is kept busy.
  while (other.thread === opened.thread) [, other] = (await Promise.all([ask(2, 50), ask(0, 'other')])) as [unknown, Opened];
  const text = 'x'.repeat(LONG);
  const [one, another] = [large({ handle: opened.handle, text }), large({ handle: other.handle, text })];
  const { view, change } = viewOf(t, port, one);
  const { value: lookFor } = Object.getOwnPropertyDescriptor(Codec.prototype, 'handlesIn') as { value: Codec['handlesIn'] };
  t.mock.method(Codec.prototype, 'handlesIn', function (this: Codec, ...given: Parameters<Codec['handlesIn']>) {
    const handles = lookFor.apply(this, given);
    change(another);
    return handles;
  });
  const { data } = await port.request(header(Kind.call, Flag.viewed, procedures[1]!, 0, 0xffff_ffff), { view });
  t.mock.restoreAll();
  assert.ok(view.bytes.equals(another), 'it was changed when the handle had been looked for');
  assert.equal(kindOf(data), Kind.response);
});
