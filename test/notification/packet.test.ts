/** What a packet makes of the words in the shared queue. Packets as the threads see them: completion-port.test.ts, completion-answers.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dispatch } from '../../src/notification/dispatch.js';
import { Field, Kind, packetOf } from '../../src/notification/packet.js';
import { FIELDS } from '../../src/notification/shared-queue.js';

test('keys, users, sequence and connection numbers are as they were sent, up to the largest', () => {
  const fields = new Int32Array(FIELDS);
  fields[Field.kind] = Kind.datagram;
  for (const field of [Field.key, Field.sequence, Field.connection, Field.uid, Field.gid]) fields[field] = 2 ** 32 - 2;
  const packet = packetOf({} as Dispatch, fields, Buffer.alloc(0));
  assert.ok(packet.type === 'datagram');
  assert.deepEqual([packet.key, packet.sequence, packet.connection, packet.sender.uid, packet.sender.gid], Array.from({ length: 5 }, () => 2 ** 32 - 2));
});
