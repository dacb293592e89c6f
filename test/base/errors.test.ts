/** The one error class: its table of codes is an interface that people program against. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { AlpcError, STATUS, type AlpcErrorCode } from '../../src/base/errors.js';

const codes = Object.keys(STATUS) as AlpcErrorCode[];

test('each code has the NTSTATUS name and value of its counterpart, and shares them with no other', () => {
  const names = codes.map((code) => STATUS[code][0]);
  const values = codes.map((code) => STATUS[code][1]);
  for (const name of names) assert.match(name, /^(?:STATUS|RPC_NT|EPT_NT)_[A-Z_]+$/);
  assert.equal(new Set(names).size, codes.length);
  assert.equal(new Set(values).size, codes.length);
  for (const code of codes) assert.match(code, /^ERR_ALPC_[A-Z_]+$/);
});

test('the values are those of ntstatus.h', () => {
  const known: Partial<Record<AlpcErrorCode, number>> = {
    ERR_ALPC_TIMEOUT: 0x102,
    ERR_ALPC_DISCONNECTED: 0xc0000037,
    ERR_ALPC_REFUSED: 0xc0000041,
    ERR_ALPC_NAME_NOT_FOUND: 0xc0000034,
    ERR_ALPC_NAME_IN_USE: 0xc0000035,
    ERR_ALPC_ACCESS_DENIED: 0xc0000022,
    ERR_ALPC_MESSAGE_TOO_LONG: 0xc000002f,
    ERR_ALPC_CLOSED: 0xc0000700,
    ERR_ALPC_MESSAGE_LOST: 0xc0000701,
    ERR_ALPC_PROTOCOL: 0xc0000702,
    ERR_ALPC_CANCELED: 0xc0000703,
    ERR_ALPC_DEADLOCK: 0xc0000194,
    ERR_ALPC_BAD_VALUE: 0xc003000c,
    ERR_ALPC_UNKNOWN_INTERFACE: 0xc0020012,
    ERR_ALPC_UNKNOWN_METHOD: 0xc002002e,
    ERR_ALPC_NOT_REGISTERED: 0xc0020036,
    ERR_ALPC_NOT_EXECUTED: 0xc002001c,
    ERR_ALPC_CONTEXT_MISMATCH: 0xc0030005,
  };
  for (const [code, value] of Object.entries(known)) assert.equal(STATUS[code as AlpcErrorCode][1], value, code);
});

test('an error says its code, its status, and a line that ends with the status', () => {
  for (const code of codes) {
    const error = new AlpcError(code, 'port \\x: something happened');
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'AlpcError');
    assert.equal(error.code, code);
    assert.equal(error.status, STATUS[code][0]);
    assert.equal(error.statusCode, STATUS[code][1]);
    assert.equal(error.message, `port \\x: something happened [${STATUS[code][0]}]`);
    assert.match(error.stack!, /errors\.test/);
  }
});

test('details that were not given are not there, and those given are', () => {
  const bare = new AlpcError('ERR_ALPC_TIMEOUT', 'late');
  assert.deepEqual(Object.keys(bare).toSorted(), ['code', 'name', 'status', 'statusCode']);
  assert.ok(!('cause' in bare));
  const cause = new Error('why');
  const data = Uint8Array.of(1, 2);
  const full = new AlpcError('ERR_ALPC_REFUSED', 'no', { cause, data, errno: 'EACCES', syscall: 'connect' });
  assert.equal(full.cause, cause);
  assert.equal(full.data, data);
  assert.equal(full.errno, 'EACCES');
  assert.equal(full.syscall, 'connect');
});

test('AlpcError.is knows the errors of another copy of the package, and nothing else', () => {
  const other = { code: 'ERR_ALPC_TIMEOUT', [Symbol.for('alpc.error')]: true };
  assert.ok(AlpcError.is(other));
  assert.ok(AlpcError.is(new AlpcError('ERR_ALPC_TIMEOUT', 'late')));
  for (const value of [undefined, null, 0, 'ERR_ALPC_TIMEOUT', new Error('ERR_ALPC_TIMEOUT'), { code: 'ERR_ALPC_TIMEOUT' }, () => {}]) assert.ok(!AlpcError.is(value), inspect(value));
});

test('the mark of an AlpcError is not seen when it is printed or enumerated', () => {
  const error = new AlpcError('ERR_ALPC_TIMEOUT', 'late');
  assert.doesNotMatch(inspect(error), /alpc\.error/);
  assert.match(inspect(error), /code: 'ERR_ALPC_TIMEOUT'/);
});

test('importing alpc works on a foreign platform, and the first call says what is missing', () => {
  const module = new URL('../../src/platform/system.js', import.meta.url).href;
  const program = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const { libc } = await import(${JSON.stringify(module)});
    try { libc(); } catch (error) { console.log(error.code, error.message); }`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.match(said, /^ERR_ALPC_UNSUPPORTED_PLATFORM alpc runs on Linux on x64 and arm64; this is darwin on /);
});
