/**
 * The packets of the handshake. Whatever bytes a peer sends, reading them ends in a packet whose every field is within its
 * bounds, or in a ProtocolViolation that says what is wrong; nothing else, and nothing larger than what came.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MAX_DATA_LENGTH, MAX_MESSAGE_LENGTH, PROTOCOL_VERSION, ProtocolViolation, RECORD_HEADER } from '../../src/memory/layout.js';
import { isRingLength } from '../../src/memory/outbox.js';
import { decodePacket, encodePacket, type HandshakePacket, MAX_PACKET, PACKET_HEADER, Reason, type ReasonName } from '../../src/ports/handshake.js';
import { PAGE } from '../memory/support.js';

const kinds = ['hello', 'welcome', 'refusal'] as const;
const reasons = Object.keys(Reason) as ReasonName[];
const ringLengths = Array.from({ length: 15 }, (_, i) => PAGE << i).filter(isRingLength);

/** What anybody may legally say. */
const legal = fc.record({
  kind: fc.constantFrom(...kinds),
  ringLength: fc.constantFrom(...ringLengths),
  maxMessageLength: fc.integer({ min: RECORD_HEADER, max: MAX_MESSAGE_LENGTH }),
  reason: fc.constantFrom(...reasons),
  data: fc.oneof({ arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 9 }, { arbitrary: fc.integer({ min: 0, max: MAX_DATA_LENGTH }).map((length) => new Uint8Array(length).fill(length)), weight: 1 }),
});

/** Reads a packet as a stranger's: what it may come to. */
function read(bytes: Uint8Array): HandshakePacket | ProtocolViolation {
  try {
    return decodePacket(bytes);
  } catch (error) {
    if (error instanceof ProtocolViolation) return error;
    throw error;
  }
}

/** What holds of any packet that was believed. */
function isBounded(packet: HandshakePacket, bytes: Uint8Array): boolean {
  const described = packet.kind === 'refusal' || packet.version !== PROTOCOL_VERSION || (isRingLength(packet.ringLength) && packet.maxMessageLength >= RECORD_HEADER && packet.maxMessageLength <= MAX_MESSAGE_LENGTH);
  return kinds.includes(packet.kind) && reasons.includes(packet.reason) && described && packet.data.length === bytes.length - PACKET_HEADER;
}

test('what one side writes the other reads', () => {
  fc.assert(
    fc.property(legal, ({ kind, ...fields }) => {
      const bytes = encodePacket(kind, fields);
      assert.equal(bytes.length, PACKET_HEADER + fields.data.length);
      assert.ok(bytes.length <= MAX_PACKET);
      assert.deepEqual(decodePacket(bytes), { kind, version: PROTOCOL_VERSION, ...fields, data: Buffer.from(fields.data) });
    }),
    { numRuns: 500 },
  );
});

test('what is not said is 0, none, and no data', () => {
  assert.deepEqual(decodePacket(encodePacket('refusal', {})), { kind: 'refusal', version: PROTOCOL_VERSION, ringLength: 0, maxMessageLength: 0, reason: 'none', data: Buffer.alloc(0) });
});

test('the data is a copy: the buffer that it was read into may be used again', () => {
  const bytes = encodePacket('hello', { ringLength: PAGE, maxMessageLength: 100, data: Buffer.from('data') });
  const { data } = decodePacket(bytes);
  bytes.fill(0);
  assert.equal(data.toString(), 'data');
});

test('each field that is out of its bounds is refused in words that name it', () => {
  const good = (): Buffer => encodePacket('hello', { ringLength: PAGE, maxMessageLength: 100, data: Buffer.from('data') });
  const cases: [offset: number, value: number, why: RegExp][] = [
    [0, 0x43504c42, /does not begin with ALPC/],
    [8, 0, /unknown kind 0/],
    [8, 4, /unknown kind 4/],
    [8, 0xffffffff, /unknown kind 4294967295/],
    [12, 0, /a ring of 0 bytes/],
    [12, PAGE + 1, /a ring of 4097 bytes/],
    [12, PAGE - 1, /a ring of/],
    [12, 0x80000000, /a ring of 2147483648 bytes/],
    [16, RECORD_HEADER - 1, /messages of up to 31 bytes/],
    [16, MAX_MESSAGE_LENGTH + 1, /messages of up to 65536 bytes/],
    [24, 3, /data length does not fit its 36 bytes/],
    [24, 5, /data length does not fit/],
    [24, 0xffffffff, /data length does not fit/],
  ];
  for (const [offset, value, why] of cases) {
    const bytes = good();
    bytes.writeUInt32LE(value, offset);
    const outcome = read(bytes);
    assert.ok(outcome instanceof ProtocolViolation && why.test(outcome.message), `${value} at ${offset}`);
  }
});

test('a packet cut off anywhere is refused', () => {
  const whole = encodePacket('welcome', { ringLength: PAGE, maxMessageLength: 100, data: Buffer.from('some data') });
  for (let length = 0; length < whole.length; length++) assert.ok(read(whole.subarray(0, length)) instanceof ProtocolViolation, `${length} bytes`);
});

test('a hello of another version is read for its version alone: it can be told so', () => {
  for (const version of [0, 2, 0xffffffff]) {
    const bytes = encodePacket('hello', {});
    bytes.writeUInt32LE(version, 4);
    assert.equal(decodePacket(bytes).version, version);
  }
});

test('a reason of a later version is no reason, and no violation', () => {
  const bytes = encodePacket('refusal', { reason: 'quota' });
  bytes.writeUInt32LE(1000, 20);
  assert.equal(decodePacket(bytes).reason, 'none');
});

test('any bytes at all are a bounded packet or a violation', () => {
  const beginning = encodePacket('hello', { ringLength: PAGE, maxMessageLength: 100 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(PACKET_HEADER), (bytes, proper) => {
      bytes.set(beginning.subarray(0, Math.min(proper, bytes.length)));
      const outcome = read(bytes);
      assert.ok(outcome instanceof ProtocolViolation || isBounded(outcome, bytes));
    }),
    { numRuns: 20_000 },
  );
});

test('a legal packet with anything changed in it is a bounded packet or a violation', () => {
  const mutation = fc.oneof(
    fc.record({ at: fc.nat(PACKET_HEADER - 1), value: fc.nat(255) }),
    fc.record({ at: fc.constantFrom(0, 4, 8, 12, 16, 20, 24, 28), word: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff), fc.nat(31).map((bit) => 2 ** bit)) }),
    fc.record({ length: fc.nat(400) }),
  );
  const seen = { packet: 0, violation: 0 };
  fc.assert(
    fc.property(legal, fc.array(mutation, { minLength: 1, maxLength: 4 }), ({ kind, ...fields }, mutations) => {
      let bytes: Buffer = encodePacket(kind, fields);
      for (const mutation of mutations) {
        if ('length' in mutation) bytes = Buffer.concat([bytes, Buffer.alloc(400)]).subarray(0, mutation.length);
        else if (mutation.at + 4 > bytes.length) continue;
        else if ('word' in mutation) bytes.writeUInt32LE(mutation.word, mutation.at);
        else bytes[mutation.at] = mutation.value;
      }
      const outcome = read(bytes);
      assert.ok(outcome instanceof ProtocolViolation || isBounded(outcome, bytes));
      seen[outcome instanceof ProtocolViolation ? 'violation' : 'packet']++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(seen.packet > 100 && seen.violation > 100, JSON.stringify(seen));
});
