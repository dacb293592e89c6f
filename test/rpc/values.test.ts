/** Values across the wire: everything that structured cloning knows comes back as it was, and bytes from anybody are a value or ERR_ALPC_BAD_VALUE. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AlpcError } from '../../src/index.js';
import { Codec } from '../../src/rpc/codec.js';
import { ContextHandle } from '../../src/rpc/context-handle.js';
import { joinLarge } from '../../src/rpc/large-values.js';
import { ValueDecoder } from '../../src/rpc/value-decoder.js';
import { DEFAULT_BOUNDS, ValueEncoder } from '../../src/rpc/value-encoder.js';
import { Tag } from '../../src/rpc/value-tags.js';
import { times } from '../support/forms.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const encoder = new ValueEncoder();
const decoder = new ValueDecoder();

function travel(value: unknown): unknown {
  return decoder.decode(Buffer.from(encoder.encode(value, 5)), 5);
}

function isBadValue(error: unknown): boolean {
  return AlpcError.is(error) && error.code === 'ERR_ALPC_BAD_VALUE';
}

const VALUES: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  'minus zero': -0,
  NaN: NaN,
  infinity: -Infinity,
  'the largest small integer': 127,
  'integers around the edges': [-1, 0, 128, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53, 0.1],
  bigints: [0n, -1n, 255n, 256n, 2n ** 64n, -(2n ** 200n)],
  text: ['', 'a', 'é', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(64), 'x'.repeat(65), '𝄞', '\u{10ffff}', '\0', 'ü'.repeat(40)],
  'text that UTF-8 can not say': ['\ud800', 'a\udc00b'],
  dates: [new Date(0), new Date(8.64e15)],
  'regular expressions': [/a/giu, /\//],
  maps: new Map<unknown, unknown>([[1, 'one'], [{ key: true }, new Map()], [NaN, undefined]]),
  sets: new Set([1, 'x', new Set([null])]),
  buffers: new Uint8Array([1, 2, 3]).buffer,
  'typed arrays': [new Uint8Array([255]), new Int8Array([-1]), new Uint8ClampedArray([3]), new Int16Array([-2]), new Uint16Array([65535]), new Int32Array([-3]), new Uint32Array([4]), new Float32Array([0.5]), new Float64Array([-0]), new BigInt64Array([-5n]), new BigUint64Array([6n]), new DataView(new ArrayBuffer(3))],
  'nothing in them': [{}, [], new Map(), new Set(), new Uint8Array(0), new ArrayBuffer(0)],
  'more than fifteen': [Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key ${i}`, i])), Array.from({ length: 300 }, (_, i) => i)],
  'undefined in an object is not absence': { there: undefined },
  boxed: [Object(1), Object('s'), Object(true), Object(2n)],
  url: new URL('https://user@example.org:8080/p?q#h'),
};

for (const [name, value] of Object.entries(VALUES)) {
  test(`a value comes back as it was: ${name}`, () => assert.deepStrictEqual(travel(value), value));
}

test('a date that is none stays none', () => assert.ok(Number.isNaN((travel(new Date(NaN)) as Date).getTime())));

test('a DOMException, as signals have for their reason, keeps its class, name, message and stack', () => {
  const reason = AbortSignal.abort().reason as DOMException;
  for (const exception of [reason, new DOMException('too slow', 'TimeoutError')]) {
    const back = travel({ exception }) as { exception: DOMException };
    assert.ok(back.exception instanceof DOMException);
    const { name, message, code, stack } = exception;
    assert.deepEqual([back.exception.name, back.exception.message, back.exception.code, back.exception.stack], [name, message, code, stack]);
  }
});

const { Float16Array } = globalThis as { Float16Array?: new (items: number[] | number) => ArrayBufferView };

test('a Float16Array comes back as it was, short and long', { skip: Float16Array === undefined && 'this version of Node has none' }, () => {
  const codec = new Codec(DEFAULT_BOUNDS);
  for (const value of [new Float16Array!([0.5, -2, 65_504]), new Float16Array!(50_000)]) {
    assert.deepStrictEqual(travel(value), value);
    const runs: Uint8Array[] = [];
    assert.deepStrictEqual(codec.large(joinLarge(codec.frame(0, 0, 0, 0, 0, value, runs), runs)), value);
  }
  assert.throws(() => decoder.decode(Buffer.from([Tag.view, 12, 3, 0, 0, 0, 1, 2, 3])), isBadValue); // half an element
});

test('a typed array that this version of Node does not have is no value', { skip: Float16Array !== undefined && 'this version of Node has all' }, () => {
  assert.throws(() => decoder.decode(Buffer.from([Tag.view, 12, 2, 0, 0, 0, 0, 60])), (error: Error) => isBadValue(error) && /of kind 12, which is not known here/.test(error.message));
});

test('holes of an array stay holes', () => {
  const sparse = [1, , 3, undefined, ,]; // oxlint-disable-line no-sparse-arrays
  const back = travel(sparse) as unknown[];
  assert.equal(back.length, 5);
  assert.deepEqual(Object.keys(back), ['0', '2', '3']);
});

test('what was one object is one object, and a cycle is one', () => {
  const shared = { shared: true };
  const value: Record<string, unknown> = { a: shared, b: [shared], bytes: new Uint8Array(2), map: new Map<unknown, unknown>([['k', shared]]) };
  value['self'] = value;
  (value['map'] as Map<unknown, unknown>).set(value, value);
  value['again'] = value['bytes'];
  const back = travel(value) as typeof value;
  assert.equal(back['self'], back);
  assert.equal(back['a'], (back['b'] as unknown[])[0]);
  assert.equal((back['map'] as Map<unknown, unknown>).get('k'), back['a']);
  assert.equal((back['map'] as Map<unknown, unknown>).get(back), back);
  assert.equal(back['again'], back['bytes']);
  const many = Array.from({ length: 100 }, (_, id) => ({ id }));
  const twice = travel([...many, ...many]) as unknown[];
  for (let i = 0; i < 100; i++) assert.equal(twice[i], twice[i + 100]);
});

test('errors keep name, message, stack and cause', () => {
  class Odd extends TypeError {}
  const cause = new RangeError('deep');
  const error = new Odd('outside', { cause });
  const back = travel(error) as Error;
  assert.ok(back instanceof TypeError);
  assert.deepEqual([back.name, back.message, back.stack], ['TypeError', 'outside', error.stack]);
  assert.ok(back.cause instanceof RangeError);
  assert.equal(back.cause.message, 'deep');
  const several = travel(new AggregateError([new Error('one'), 2], 'several')) as AggregateError;
  assert.ok(several instanceof AggregateError);
  assert.equal((several.errors[0] as Error).message, 'one');
  assert.equal('cause' in (travel(new Error('none')) as Error), false);
  const circle: Error & { cause?: unknown } = new Error('itself');
  circle.cause = circle;
  const round = travel(circle) as Error;
  assert.equal(round.cause, round);
});

test('a context handle travels as what it is', () => {
  const handle = new ContextHandle('00'.repeat(4) + '1f'.repeat(16));
  assert.ok((travel({ handle }) as { handle: ContextHandle }).handle.equals(handle));
});

test('a key named __proto__ is a key like others, and no prototype is reached', () => {
  const value = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as object;
  const back = travel(value) as Record<string, unknown>;
  assert.deepEqual(Object.keys(back), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(back), Object.prototype);
  assert.equal(back['polluted'], undefined);
});

test('what can not travel is refused with the path to it', () => {
  class Owner {
    readonly name = 'nobody';
  }
  const cases: [unknown, RegExp][] = [
    [{ jobs: [1, { owner: new Owner() }] }, /value\.jobs\[1\]\.owner is an instance of class Owner/],
    [() => {}, /value is a function/],
    [new Map([['f', Symbol('s')]]), /value\.get\(f\) is a symbol/],
    [{ promise: Promise.resolve() }, /value\.promise is an instance of class Promise/],
    [new WeakMap(), /class WeakMap/],
    [new Error('e', { cause: { f: test } }), /value\.cause\.f is a function/],
  ];
  for (const [value, message] of cases) assert.throws(() => encoder.encode(value), (error: unknown) => isBadValue(error) && message.test((error as Error).message), String(message));
  assert.deepEqual(travel({ after: 'all that' }), { after: 'all that' });
});

test('depth and length are bounded on the way out', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [value];
    return value;
  };
  assert.deepEqual(travel(nested(200)), nested(200));
  assert.throws(() => encoder.encode(nested(201)), isBadValue);
  assert.throws(() => encoder.encode(nested(1_000_000)), isBadValue);
  const narrow = new ValueEncoder({ depth: 3, valueLength: 1000 });
  assert.throws(() => narrow.encode('x'.repeat(1001)), isBadValue);
  assert.throws(() => narrow.encode(Array.from({ length: 600 }, () => 1000)), isBadValue);
  const sparse: unknown[] = [];
  sparse.length = 2 ** 31;
  assert.throws(() => encoder.encode(sparse), isBadValue);
  assert.equal(new ValueDecoder({ depth: 3, valueLength: 1 }).decode(narrow.encode('ok')), 'ok');
  assert.throws(() => new ValueDecoder({ depth: 2, valueLength: 1000 }).decode(encoder.encode([[[]]])), isBadValue);
});

test('counts that promise more than there are bytes allocate nothing', () => {
  for (const tag of [0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xce, 0xcf, 0xd0, 0xd4]) {
    assert.throws(() => decoder.decode(Buffer.from([tag, 0xff, 0xff, 0xff, 0xff])), isBadValue, tag.toString(16));
    assert.throws(() => decoder.decode(Buffer.from([tag, 0xff, 0xff, 0xff, 0xff, 0, 0, 0])), isBadValue, tag.toString(16));
  }
  assert.throws(() => decoder.decode(Buffer.from([0xd1, 0, 0xff, 0xff, 0xff, 0x7f])), isBadValue);
});

test('any structured-cloneable value comes back as structured cloning would give it', () => {
  const anything = fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, withSparseArray: true, withBoxedValues: true, withNullPrototype: false });
  fc.assert(
    fc.property(anything, (value) => assert.deepStrictEqual(travel(value), structuredClone(value))),
    { numRuns: times(500, 20_000) },
  );
});

test('any bytes are a value or ERR_ALPC_BAD_VALUE, and nothing else happens', () => {
  const tags = fc.integer({ min: 0x80, max: 0xd8 });
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.array(fc.oneof(tags, fc.integer({ min: 0, max: 255 }), fc.constant(0)), { maxLength: 100 }).map((numbers) => Uint8Array.from(numbers)));
  fc.assert(fc.property(bytes, decodesOrRefuses), { numRuns: times(20_000, 1_000_000) });
});

test('a value with bytes changed is a value or ERR_ALPC_BAD_VALUE', () => {
  const whole = Buffer.from(encoder.encode(VALUES));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }), fc.nat(whole.length), (changes, length) => {
      const bytes = Buffer.from(whole.subarray(0, length === 0 ? whole.length : length));
      for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
      decodesOrRefuses(bytes);
    }),
    { numRuns: times(5000, 300_000) },
  );
});

function decodesOrRefuses(bytes: Uint8Array): void {
  try {
    decoder.decode(Buffer.from(bytes));
  } catch (error) {
    if (!isBadValue(error)) throw error;
  }
}
