/** Checks of what callers hand in: what passes, what is refused, and that the refusal names argument, expectation and value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { checkBoolean, checkData, checkFunction, checkInteger, checkOneOf, checkOptions, checkSignal, checkString, checkTimeout, invalidArgument, MAX_TIMEOUT } from '../../src/base/arguments.js';
import { AlpcError } from '../../src/base/errors.js';

/** Runs a check with each value; each must be refused in words that name the argument and show the value. */
function refuses(check: (value: unknown) => unknown, values: readonly unknown[], expected: RegExp): void {
  for (const value of values) {
    assert.throws(
      () => check(value),
      (error) => {
        assert.ok(AlpcError.is(error));
        assert.equal(error.code, 'ERR_ALPC_INVALID_ARGUMENT');
        assert.match(error.message, expected);
        assert.match(error.message, /argument 'it' must be .*; received ./);
        return true;
      },
      inspect(value),
    );
  }
}

test('a timeout is a number of milliseconds from 0 to 2^31-1, Infinity, or nothing, which is Infinity', () => {
  for (const value of [0, 0.5, 1, MAX_TIMEOUT, Infinity]) assert.equal(checkTimeout(value), value);
  assert.equal(checkTimeout(undefined), Infinity);
  refuses((value) => checkTimeout(value, 'it'), [-1, -0.001, Number.NaN, -Infinity, MAX_TIMEOUT + 1, 1e300, '5', 5n, null, {}, [5], true], /a number of milliseconds from 0 to 2147483647, or Infinity/);
});

test('a signal is an AbortSignal, also one of another realm, or nothing', () => {
  const { signal } = new AbortController();
  assert.equal(checkSignal(signal), signal);
  assert.equal(checkSignal(undefined), undefined);
  const foreign = { aborted: false, throwIfAborted: () => {}, addEventListener: () => {}, removeEventListener: () => {} };
  assert.equal(checkSignal(foreign), foreign);
  refuses((value) => checkSignal(value, 'it'), [null, 1, 'abort', {}, new AbortController(), { aborted: true }, Object.assign(new EventTarget(), { aborted: false })], /an AbortSignal/);
  for (const key of Object.keys(foreign)) for (const wrong of [undefined, 1]) refuses((value) => checkSignal(value, 'it'), [{ ...foreign, [key]: wrong }], /an AbortSignal/);
});

test('an integer is a number in its bounds, both included', () => {
  for (const value of [-2, 0, 7]) assert.equal(checkInteger(value, 'it', -2, 7), value);
  refuses((value) => checkInteger(value, 'it', -2, 7), [-3, 8, 0.5, Number.NaN, Infinity, '3', 3n, null, undefined], /an integer from -2 to 7/);
});

test('booleans, strings and functions are just that', () => {
  assert.equal(checkBoolean(false, 'it'), false);
  assert.equal(checkString('', 'it'), '');
  const own = (): void => {};
  assert.equal(checkFunction(own, 'it'), own);
  refuses((value) => checkBoolean(value, 'it'), [0, 'true', null, undefined], /a boolean/);
  refuses((value) => checkString(value, 'it'), [0, null, undefined, Buffer.from('a'), ['a']], /a string/);
  refuses((value) => checkFunction(value, 'it'), [0, null, undefined, {}, 'f'], /a function/);
});

test('one of a list is told with the whole list', () => {
  assert.equal(checkOneOf('ask', 'it', ['accept', 'ask']), 'ask');
  refuses((value) => checkOneOf(value, 'it', ['accept', 'ask']), ['Ask', '', undefined, null, 0], /one of 'accept', 'ask'/);
});

test('options are an object, or nothing, and a key that is not known is told with those that are', () => {
  type Known = { timeout?: number; signal?: string };
  const known = ['timeout', 'signal'] as const;
  const given: Known = { timeout: 1 };
  assert.equal(checkOptions(given, 'it', known), given);
  assert.deepEqual(checkOptions<Known>(undefined, 'it', known), {});
  refuses((value) => checkOptions<Known>(value as Known, 'it', known), [null, 1, 'timeout', [], true, () => {}], /an object/);
  const misspelt = { timeOut: 1 } as unknown as Known;
  assert.throws(() => checkOptions(misspelt, 'it', known), { code: 'ERR_ALPC_INVALID_ARGUMENT', message: /has no option 'timeOut'; expected 'timeout', 'signal'/ });
});

test('an option inherited from a prototype is not an unknown option', () => {
  class Defaults {
    timeout = 1;
    get extra(): number {
      return 2;
    }
  }
  assert.equal(checkOptions<Defaults>(new Defaults(), 'it', ['timeout']).timeout, 1);
});

test('data is bytes or a string', () => {
  for (const value of ['', 'text', new Uint8Array(0), Buffer.from('bytes')]) assert.equal(checkData(value), value);
  refuses((value) => checkData(value, 'it'), [undefined, null, 1, [1, 2], {}, new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)], /a Uint8Array \(a Buffer, say\) or a string/);
});

test('a refusal shows the value in one short line, however large it is', () => {
  const cases: unknown[] = ['x'.repeat(100_000), Array.from({ length: 10_000 }, () => 'x'.repeat(1000)), { deep: { deeper: { deepest: 1 } } }, Buffer.alloc(100_000), 'two\nlines'];
  for (const value of cases) {
    const { message } = invalidArgument('it', 'small', value);
    assert.ok(message.length < 1000, `${message.length} characters`);
    assert.doesNotMatch(message, /\n/);
  }
});
