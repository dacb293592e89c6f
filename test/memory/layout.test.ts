/**
 * What stands where in shared memory. The layout is a table, and the wire: a field that moves is another protocol, so the
 * places of protocol version 1 are written down here once more.
 */
import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { test } from 'node:test';
import { align8, Control, CONTROL_FIELDS, type Field, MAGIC, MAX_DATA_LENGTH, MAX_MESSAGE_LENGTH, PROTOCOL_VERSION, Record, RECORD_FIELDS, RECORD_HEADER, RecordType, ReplyStatus, RETRACTED, WAIT_PAGE_FIELDS, WaitPageWords } from '../../src/memory/layout.js';
import { withLedger } from '../support/ledger.js';
import { makeSides, PAGE } from './support.js';

withLedger();

/** The smallest page of any machine: what a control page or a wait page must fit in. */
const SMALLEST_PAGE = 4096;
const tables: [string, readonly Field[], { readonly [name: string]: number }, number][] = [
  ['control page', CONTROL_FIELDS, Control, SMALLEST_PAGE],
  ['record header', RECORD_FIELDS, Record, RECORD_HEADER],
  ['wait page', WAIT_PAGE_FIELDS, WaitPageWords, SMALLEST_PAGE],
];

for (const [name, fields, words, size] of tables) {
  test(`the fields of a ${name} are words that do not overlap, stand in order, and fit`, () => {
    const offsets = fields.map((field) => field.offset);
    for (const offset of offsets) assert.ok(Number.isInteger(offset / 4) && offset >= 0 && offset + 4 <= size, String(offset));
    assert.deepEqual(offsets, [...new Set(offsets)].toSorted((a, b) => a - b));
    assert.equal(new Set(fields.map((field) => field.name)).size, fields.length);
    for (const field of fields) assert.ok(field.meaning.length > 0, field.name);
  });

  test(`the accessors of a ${name} are its table's offsets as indexes of words`, () => {
    assert.deepEqual(words, Object.fromEntries(fields.map((field) => [field.name, field.offset / 4])));
  });
}

test('words that are written often stand 128 bytes apart from each other and from those written seldom', () => {
  const line = (name: keyof typeof Control): number => Math.floor((Control[name] * 4) / 128);
  const hot = [line('tail'), line('head'), line('dataSleep')];
  assert.equal(new Set(hot).size, 3);
  for (const name of ['magic', 'version', 'controlLength', 'ringLength', 'ownerPid', 'role'] as const) assert.ok(!hot.includes(line(name)), name);
  for (const name of ['tail', 'head'] as const) assert.equal((Control[name] * 4) % 128, 0, name);
  assert.equal((WaitPageWords.sequence * 4) % 128, 0);
});

test('the words that the protocol rests on are marked as atomic, and the figures for people are not', () => {
  const atomic = (fields: readonly Field[]): string[] => fields.filter((field) => field.atomic === true).map((field) => field.name);
  assert.deepEqual(atomic(CONTROL_FIELDS), ['tail', 'head', 'dataSleep', 'spaceSleep', 'state', 'viewSleep', 'released', 'handlesDone', 'told', 'securityContexts']);
  assert.deepEqual(atomic(WAIT_PAGE_FIELDS), ['sequence', 'onLow', 'onHigh', 'connectionLow', 'connectionHigh', 'messageId']);
});

/** Figures for inspectors. */
const FIGURES = new Set<string>(['connectionLow', 'connectionHigh', 'socketLow', 'socketHigh', 'maxPendingMessages', 'maxConnections', 'sentMessages', 'sentKiB', 'sentBytes', 'sentViews', 'sentHandles', 'requests', 'settledRequests', 'receivedMessages', 'unansweredRequests', 'queuedMessages', 'bellsRung', 'lateReplies', 'latencies']);

test('figures that change with each message stand where the peer never looks', () => {
  const line = (name: keyof typeof Control): number => Math.floor((Control[name] * 4) / 128);
  const looked = new Set(CONTROL_FIELDS.filter(({ name }) => !FIGURES.has(name)).map(({ name }) => line(name)));
  for (const name of ['sentMessages', 'sentBytes', 'requests', 'settledRequests', 'receivedMessages', 'unansweredRequests', 'queuedMessages'] as const) assert.ok(!looked.has(line(name)), name);
});

test('protocol version 1 has its fields at these places and its numbers at these values', () => {
  const places = (fields: readonly Field[]): string => fields.map((field) => `${field.name}@${field.offset}`).join(' ');
  assert.equal(PROTOCOL_VERSION, 1);
  assert.equal(places(CONTROL_FIELDS.filter(({ name }) => !FIGURES.has(name))), 'magic@0 version@4 controlLength@8 ringLength@12 ownerPid@16 role@20 accepts@24 maxViews@28 maxSections@32 maxSectionKiB@36 maxHandles@40 tail@128 head@256 dataSleep@384 spaceSleep@388 state@392 viewSleep@412 released@512 handlesDone@516 told@520 securityContexts@1024 tellings@1664 releases@2048');
  assert.equal(places(RECORD_FIELDS), 'length@0 type@4 messageId@8 callbackId@12 status@16 sequence@20 attributes@24 reserved1@28');
  assert.equal(Control.state * 4, 392);
  assert.deepEqual([Control.released * 4, Control.handlesDone * 4, Control.told * 4, Control.securityContexts * 4, Control.tellings * 4, Control.releases * 4], [512, 516, 520, 1024, 1664, 2048]);
  assert.deepEqual({ ...RecordType }, { request: 1, reply: 2, datagram: 3, cancel: 12, forget: 13 });
  assert.deepEqual({ ...ReplyStatus }, { ok: 0, canceled: 1, deadlock: 2, quota: 3 });
  assert.equal(RETRACTED, 0x100);
});

test('a message has at most 65,535 bytes, header included, as on Windows', () => {
  assert.equal(MAX_MESSAGE_LENGTH, 65_535);
  assert.equal(MAX_DATA_LENGTH, 65_535 - RECORD_HEADER);
});

test('lengths are rounded up to a multiple of 8', () => {
  for (const [length, aligned] of [[0, 0], [1, 8], [7, 8], [8, 8], [9, 16], [65_535, 65_536]] as const) assert.equal(align8(length), aligned);
});

test("a new outbox says what it is, byte for byte, in its file's first page, and the rest is zeros", (t) => {
  const { a } = makeSides(t, 2 * PAGE);
  const page = Buffer.alloc(PAGE);
  assert.equal(readSync(a.own.fd, page, 0, PAGE, 0), PAGE);
  assert.equal(page.subarray(0, 4).toString('latin1'), 'ALPC');
  const expected = Buffer.alloc(PAGE);
  [MAGIC, 1, PAGE, 2 * PAGE, process.pid, 0].forEach((value, i) => expected.writeUInt32LE(value, 4 * i));
  expected.writeUInt32LE(1, 392);
  assert.deepEqual(page, expected);
});
