import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MAX_NAME_BYTES, MAX_PART_BYTES, nameOf, parentOf, parseLinkTarget, parseObjectName, RESERVED_PREFIX, ROOT_NAME } from '../../src/objects/object-name.js';
import { failsWith } from './support.js';

const goodPart = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((part) => !/[\\/\0]/.test(part) && part !== '.' && part !== '..' && !part.startsWith(RESERVED_PREFIX));
const goodParts = fc.array(goodPart, { minLength: 1, maxLength: 12 });

test('a name keeps its parts, and its canonical text has backslashes, whichever separators it was written with', () => {
  fc.assert(
    fc.property(goodParts, fc.infiniteStream(fc.constantFrom('\\', '/')), (parts, separators) => {
      const written = parts.map((part) => `${separators.next().value}${part}`).join('');
      const name = parseObjectName(written);
      assert.deepEqual(name, { text: `\\${parts.join('\\')}`, parts });
      assert.deepEqual(parseObjectName(name.text), name);
    }),
  );
});

test('whatever the text, parsing either keeps every rule or fails with the code for names', () => {
  const anything = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.array(fc.constantFrom('\\', '/', '.', '..', 'a', '\0', '\ud800', '.alpc-')).map((pieces) => pieces.join('')));
  fc.assert(
    fc.property(anything, (text) => {
      let name;
      try {
        name = parseObjectName(text);
      } catch (error) {
        return failsWith('ERR_ALPC_NAME_INVALID')(error);
      }
      for (const part of name.parts) {
        assert.ok(part !== '' && part !== '.' && part !== '..' && !/[\\/\0]/.test(part) && !part.startsWith(RESERVED_PREFIX));
        assert.equal(Buffer.from(part).toString(), part);
      }
      return true;
    }),
    { numRuns: 2000 },
  );
});

test('the root is a separator alone', () => {
  assert.deepEqual(parseObjectName('\\'), ROOT_NAME);
  assert.deepEqual(parseObjectName('/'), ROOT_NAME);
  assert.equal(parentOf(ROOT_NAME).text, '\\');
});

test('capital and small letters are different names', () => {
  assert.notDeepEqual(parseObjectName('\\Echo'), parseObjectName('\\echo'));
});

test('a relative name is refused, and the message says what a name begins with', () => {
  for (const name of ['', 'echo', 'RPC Control\\echo', '.\\echo']) assert.throws(() => parseObjectName(name), failsWith('ERR_ALPC_NAME_INVALID', /must begin with '\\'/));
});

test('each rule about parts is kept, and the message names the part and the rule', () => {
  const refused: [string, RegExp][] = [
    ['\\a\\\\b', /part 2, '', must not be empty/],
    ['\\a\\', /part 2, '', must not be empty/],
    ['\\a\\.', /part 2, '\.', must not be '\.'/],
    ['/../a', /part 1, '\.\.', must not be '\.' or '\.\.'/],
    ['\\a\\b\0c', /part 2, 'b\\u0000c', must not hold a NUL/],
    ['\\a\ud800', /part 1, 'a\\ud800', must not hold half of a surrogate pair/],
    ['\\.alpc-0', /part 1, '\.alpc-0', must not begin with '\.alpc-'/],
  ];
  for (const [name, message] of refused) assert.throws(() => parseObjectName(name), failsWith('ERR_ALPC_NAME_INVALID', message), name);
});

test('a part has at most 255 bytes and a name at most 4096, counted in UTF-8', () => {
  assert.equal(parseObjectName(`\\${'x'.repeat(MAX_PART_BYTES)}`).parts.length, 1);
  assert.throws(() => parseObjectName(`\\${'x'.repeat(MAX_PART_BYTES + 1)}`), failsWith('ERR_ALPC_NAME_INVALID', /longer than 255 bytes/));
  assert.equal(parseObjectName(`\\${'é'.repeat(127)}`).parts.length, 1);
  assert.throws(() => parseObjectName(`\\${'é'.repeat(128)}`), failsWith('ERR_ALPC_NAME_INVALID', /longer than 255 bytes/));
  const longest = '\\x'.repeat(MAX_NAME_BYTES / 2);
  assert.equal(parseObjectName(longest).parts.length, MAX_NAME_BYTES / 2);
  assert.throws(() => parseObjectName(`${longest}x`), failsWith('ERR_ALPC_NAME_INVALID', /at most 4096 bytes/));
  assert.throws(() => parseObjectName('\\x'.repeat(1 << 20)), failsWith('ERR_ALPC_NAME_INVALID', /at most 4096 bytes/));
});

test('the target of a link is an absolute or a relative name, and is stored with slashes', () => {
  assert.equal(parseLinkTarget('\\RPC Control\\echo'), '/RPC Control/echo');
  assert.equal(parseLinkTarget('sub\\echo'), 'sub/echo');
  assert.equal(parseLinkTarget('\\'), '/');
  for (const target of ['', '..\\echo', 'a//b', './a']) assert.throws(() => parseLinkTarget(target), failsWith('ERR_ALPC_NAME_INVALID', /argument 'target'/));
});

test('what is no string is a wrong argument', () => {
  for (const name of [undefined, null, 7, {}, ['\\a']]) assert.throws(() => parseObjectName(name as string), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'name' must be a string/));
});

test('the parent of a name has all its parts but the last', () => {
  fc.assert(fc.property(goodParts, (parts) => assert.deepEqual(parentOf(nameOf(parts)), parts.length === 1 ? ROOT_NAME : nameOf(parts.slice(0, -1)))));
});
