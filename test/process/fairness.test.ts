/**
 * Fairness: a client that floods its server delays the others by a bounded number of its messages, in every form of receiving;
 * newcomers are let in and the end of others is told while the flood goes on.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { numbers, until } from './expect.js';
import { journalOf, journalWhen, NAME, ownRoot, startClient, startServer, stop } from './serving.js';
import { FORMS } from './taking.js';

withLedger();

/** The main thread of a process sleeps: one that lingers does not. */
function sleeps(pid: number): boolean {
  return /^State:\tS/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

for (const form of FORMS) {
  test(`a server that receives by ${form} takes in turn from those who have something`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { form });
    await using polite = await connectPort(NAME);
    const flooders = await Promise.all(numbers(2).map(() => connectPort(NAME)));
    await until('it rests', () => sleeps(server.pid)); // stopped on its way to rest it would have gone half of it
    const goOn = await stop(server);
    let flood = 0;
    for (const flooder of flooders) while (flooder.tryPost('flood') === 'sent') flood++;
    for (const number of numbers(40)) assert.equal(polite.tryPost(`polite ${number}`), 'sent');
    goOn();
    const journal = await journalWhen('all came', polite, (seen) => seen.length === flood + 40);
    const order = journal.map(({ text }) => text);
    assert.ok(flood > 4000);
    // Two flooders, forty messages, sixteen at a time: three turns of the polite one, and as many of each flooder.
    const last = order.indexOf('polite 39');
    assert.ok(last < 40 + 2 * 4 * 16 + 64, `the last polite message came behind ${last - 39} of the flood's ${flood}`);
    for (const flooder of flooders) flooder.close();
  });

  test(`while one client sends more than a server that receives by ${form} can take, others are let in, served, and their end is told`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    const flooder = startClient(t);
    await flooder.ask({ type: 'connect', name: NAME }, 'connected');
    await using witness = await connectPort(NAME);
    await flooder.ask({ type: 'flood', text: 'chew' }, 'flooding');
    for (const number of numbers(8)) {
      const client = await connectPort(NAME);
      assert.equal(client.requestSync('context').data.toString(), 'undefined');
      await sleep(2);
      assert.equal((await client.request(`echo ${number}`)).data.toString(), `${number}`);
      client.close();
    }
    await journalWhen('the ends are told', witness, (seen) => seen.filter(({ what }) => what === 'port-closed').length === 8);
    const { sent } = await flooder.ask({ type: 'stop' }, 'stopped');
    assert.ok(sent > 2000, `there was a flood: ${sent} messages`);
    assert.equal((await journalOf(witness)).filter(({ text }) => text.startsWith('echo')).length, 16);
  });
}
