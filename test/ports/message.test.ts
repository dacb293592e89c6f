/** Messages as objects: of one class, whatever their type, and of no use for what their type can't do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../../src/ports/connection.js';
import { canceledMessage, clientDiedMessage, datagramMessage, portClosedMessage, replyMessage, type RequestMessage, requestMessage } from '../../src/ports/message.js';

const memory = new ArrayBuffer(64);
const connection = { toString: () => 'connection' } as Connection;
const request = requestMessage(connection, 7, 3, memory, 8, 4, 1, 0);
const others = [
  replyMessage(connection, 7, memory, 0, 4, 2),
  datagramMessage(connection, 8, memory, 0, 4, 3),
  canceledMessage(connection, request, 4),
  portClosedMessage(connection, 'died', 5),
  clientDiedMessage(connection, 6),
];

test('messages of all types are of one class, so that no constructor gets slow with the fifth of them', () => {
  const [prototype, ...rest] = new Set([request, ...others].map((message) => Object.getPrototypeOf(message) as object));
  assert.deepEqual(rest, []);
  assert.equal(Object.getPrototypeOf(prototype), Object.prototype);
  for (const message of others) assert.deepEqual(Object.keys(message), Object.keys(request));
});

test('each says its type, and has what that type has', () => {
  assert.deepEqual([request, ...others].map(({ type }) => type), ['request', 'reply', 'datagram', 'canceled', 'port-closed', 'client-died']);
  assert.deepEqual([request.id, request.callbackId, request.dataLength, request.sequence, request.isPending], [7, 3, 4, 1, true]);
  const [, , canceled, closed] = others;
  assert.equal(canceled?.type === 'canceled' && canceled.request, request);
  assert.equal(closed?.type === 'port-closed' && closed.reason, 'died');
  request.messageContext = 'mine';
  assert.equal(request.messageContext, 'mine');
});

test('what is no request is not answered, declined or called back: the error says what it is', () => {
  for (const message of others) {
    const answerable = message as unknown as RequestMessage;
    for (const call of [() => answerable.reply('no'), () => answerable.cancel(), () => answerable.callbackSync('no'), () => void answerable.callback('no')]) {
      assert.throws(call, { code: 'ERR_ALPC_REPLY_MISMATCH', message: `connection: message ${message.sequence} is of type ${message.type}; only a request can be answered [STATUS_REPLY_MESSAGE_MISMATCH]` });
    }
    assert.equal(answerable.isPending, false);
  }
});

test('the signal of a request aborts when its caller gives up, also for who asks only then', () => {
  const [early, late] = [requestMessage(connection, 1, 0, memory, 0, 0, 7, 0), requestMessage(connection, 2, 0, memory, 0, 0, 8, 1)];
  const { signal } = early;
  assert.equal(signal.aborted, false);
  early.giveUp();
  late.giveUp();
  assert.deepEqual([signal.aborted, early.signal === signal, late.signal.aborted, late.isPending], [true, true, true, false]);
});

test('a message whose memory was given back has no data, however it was looked at before', () => {
  const given: [ArrayBuffer, number][] = [];
  const thread = { copies: { giveBack: (...what: [ArrayBuffer, number]) => void given.push(what) } };
  const message = requestMessage({ thread } as unknown as Connection, 1, 0, memory, 8, 4, 9, 0);
  assert.equal(message.data.length, 4);
  message.giveBackData();
  assert.deepEqual([message.data.length, message.dataLength, given], [0, 4, [[memory, 4]]]);
});
