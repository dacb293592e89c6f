/** Attacks by the attributes that say who is behind a message: names in tickets, levels and contexts that there are none of, where they are not taken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { turnsUntil } from '../support/turns.js';
import { ATTRIBUTE, CONTROL, type HandPeer } from './peer.js';
import { openStage } from './stage.js';

withLedger();

function words(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer);
}

const ticket = (pid: number, uid: number, hops: number, trace = 0, id = 0): Buffer => words(pid, uid, hops, trace, id, 0, 0, 0, id, 0);

test('B1: nobody names somebody else by a ticket of its own, and no attribute says what can\'t be', async (t) => {
  const stage = await openStage(t, { accepts: ['security', 'work'] });
  for (const [offence, attributes, block] of [
    [/a ticket names process 1 after 0 steps/, ATTRIBUTE.work, ticket(1, 0, 0)],
    [/a ticket names process 0 after 0 steps/, ATTRIBUTE.work, ticket(0, 1000, 0)],
    [/after 256 steps/, ATTRIBUTE.work, ticket(1, 0, 256)],
    [/after \d+ steps/, ATTRIBUTE.work, ticket(1, 0, -1)],
    [/with trace flags 0x200/, ATTRIBUTE.work, ticket(0, 0, 0, 0x200)],
    [/a trace context of zeros/, ATTRIBUTE.work, ticket(0, 0, 0, 0x101)],
    [/says level 3, place 0/, ATTRIBUTE.security, words(3, 0)],
    [/says level 255, place 16777215/, ATTRIBUTE.security, words(-1, 5)],
    [/says level 2, place 64/, ATTRIBUTE.security, words(2 | (64 << 8), 5)],
    [/says level 2, place 7/, ATTRIBUTE.security, words(2 | (7 << 8), 0)],
    [/a direct message has the number 0/, ATTRIBUTE.direct, words(0, 0)],
    [/a direct message has the number -1/, ATTRIBUTE.direct, words(-1, 0)],
    [/its attributes take 48/, ATTRIBUTE.work | ATTRIBUTE.security, ticket(0, 0, 0)],
  ] as const) {
    await stage.survives(async () => {
      const peer: HandPeer = await stage.guest();
      peer.send({ attributes, data: block });
      await peer.hungUp();
      await stage.drops('protocol', offence);
      peer.close();
    });
  }
});

test('B1: where they are not taken they are a breach', async (t) => {
  const stage = await openStage(t, { accepts: ['view'] });
  for (const [offence, attributes, block] of [
    [/a ticket came, which this side does not take/, ATTRIBUTE.work, ticket(0, 0, 0)],
    [/a security attribute came, which this side does not take/, ATTRIBUTE.security, words(1, 0)],
  ] as const) {
    await stage.survives(async () => {
      const peer = await stage.guest();
      peer.send({ attributes, data: block });
      await peer.hungUp();
      await stage.drops('protocol', offence);
      peer.close();
    });
  }
});

test('B1: nobody tells of direct messages that were not sent to it, nor of more than were, nor twice of one', async (t) => {
  const stage = await openStage(t);
  const tell = (peer: HandPeer, told: number, ...tellings: number[]): void => {
    for (const [place, telling] of tellings.entries()) peer.outbox.words[CONTROL.tellings / 4 + place] = telling;
    peer.set('told', told);
    peer.ring();
  };
  for (const [offence, told, tellings] of [
    [/took 3 direct messages, it has 2/, 3, [1, 2, 3]],
    [/took 4294967295 direct messages, it has 2/, -1, []],
    [/tells of direct message 3, which it does not have/, 1, [3]],
    [/tells of direct message 0, which it does not have/, 1, [0]],
    [/tells of direct message 1, which it does not have/, 2, [1, 1]],
    [/tells of direct message 2, which it does not have/, 2, [2, 2 | 0x80000000]],
  ] as const) {
    await stage.survives(async () => {
      const peer = await stage.guest();
      const toPeer = stage.port.connections.at(-1)!;
      const heard: string[] = [];
      for (const name of ['one', 'two']) assert.equal(toPeer.tryPost('', { direct: (outcome) => void heard.push(`${name} ${outcome}`) }), 'sent');
      tell(peer, told, ...tellings);
      await peer.hungUp();
      await stage.drops('protocol', offence);
      await turnsUntil(() => heard.length === 2);
      peer.close();
    });
  }
});
