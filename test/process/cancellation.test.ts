/**
 * Giving up a request: before the server has read it (it never sees it), after (it gets `canceled` with the request, whose
 * signal has aborted, and its reply says 'canceled'), and after the reply (nothing happens). Whatever the moment, the call
 * settles once and the server has one outcome; the last test asks for that thousands of times, at random moments.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connectPort, createPort, type ServerPort } from '../../src/ports/index.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith, nameOf, numbers, outcomeOf, tally, until } from './expect.js';
import { journalOf, journalWhen, linesOf, NAME, ownRoot, startServer, stop } from './serving.js';
import { FORMS } from './taking.js';
import type { Entry } from './verbs.js';

withLedger();

for (const form of FORMS) {
  test(`a request given up before it is read is never seen by a server that receives by ${form}`, async (t) => {
    ownRoot(t);
    const server = await startServer(t, { form });
    await using client = await connectPort(NAME);
    const goOn = await stop(server);
    const abort = new AbortController();
    const aborted = outcomeOf(client.request('echo aborted', { signal: abort.signal }));
    const timedOut = outcomeOf(client.request('echo timed out', { timeout: 20 }));
    assert.throws(() => client.requestSync('echo blocked', { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
    abort.abort();
    assert.equal(await aborted, 'AbortError');
    assert.equal(await timedOut, 'ERR_ALPC_TIMEOUT');
    goOn();
    assert.equal(client.requestSync('echo kept').data.toString(), 'kept');
    assert.deepEqual(linesOf(await journalOf(client)), ['request echo kept', 'answered echo kept: sent']);
    assert.equal(client.info().lateReplies, 0);
  });

  test(`a request given up after it was read is told to a server that receives by ${form}, once, and its reply says so`, async (t) => {
    ownRoot(t);
    await startServer(t, { form });
    await using client = await connectPort(NAME);
    const abort = new AbortController();
    const call = outcomeOf(client.request('hold me', { signal: abort.signal }));
    await journalWhen('it is held', client, (seen) => seen.length === 1);
    abort.abort();
    assert.equal(await call, 'AbortError');
    assert.equal(client.requestSync('release').data.toString(), 'released');
    const journal = await journalOf(client);
    assert.deepEqual(linesOf(journal), ['request hold me', 'canceled hold me', 'request release', 'answered hold me: canceled', 'answered release: sent']);
    assert.equal(journal[1]!.aborted, true);
    assert.equal(client.info().lateReplies, 0);
  });
}

test('an abort after the reply does nothing', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const abort = new AbortController();
  assert.equal((await client.request('echo done', { signal: abort.signal })).data.toString(), 'done');
  abort.abort();
  assert.equal((await client.request('echo more')).data.toString(), 'more');
  assert.deepEqual(linesOf(await journalOf(client)), ['request echo done', 'answered echo done: sent', 'request echo more', 'answered echo more: sent']);
});

test('a signal that has aborted already sends nothing', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const reason = new Error('no need');
  await assert.rejects(client.request('echo', { signal: AbortSignal.abort(reason) }), reason);
  await assert.rejects(client.post('posted', { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(client.info().pendingRequests, 0);
  assert.deepEqual(await journalOf(client), []);
});

test('a request that waits for room and is given up is never sent, and those behind it are', async (t) => {
  ownRoot(t);
  const server = await startServer(t);
  await using client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  const goOn = await stop(server);
  while (client.tryPost(Buffer.alloc(100)) === 'sent');
  const abort = new AbortController();
  const given = [outcomeOf(client.request('echo aborted', { signal: abort.signal })), outcomeOf(client.request('echo timed out', { timeout: 20 }))];
  const posted = outcomeOf(client.post('posted and aborted', { signal: abort.signal }));
  const kept = outcomeOf(client.request('echo kept'));
  assert.throws(() => client.requestSync('echo blocked', { timeout: 20 }), failsWith('ERR_ALPC_TIMEOUT'));
  assert.equal(client.info().waitingForRoom, 4);
  abort.abort();
  assert.deepEqual(await Promise.all([...given, posted]), ['AbortError', 'ERR_ALPC_TIMEOUT', 'AbortError']);
  goOn();
  assert.equal(await kept, 'kept');
  const journal = await journalOf(client);
  assert.deepEqual(linesOf(journal).filter((line) => line.includes('echo') || line.includes('posted')), ['request echo kept', 'answered echo kept: sent']);
  assert.equal(client.info().waitingForRoom, 0);
});

test("a server's own request, given up, is told to the client, whose reply says so", async (t) => {
  temporaryRoot(t);
  await using port = await createPort(NAME);
  const connected = once(port, 'connect') as Promise<[ServerPort]>;
  await using client = await connectPort(NAME);
  const [toClient] = await connected;
  const abort = new AbortController();
  const call = outcomeOf(toClient.request('question', { signal: abort.signal }));
  const request = await client.receive();
  assert.ok(request.type === 'request' && request.isPending);
  abort.abort();
  assert.equal(await call, 'AbortError');
  const canceled = await client.receive();
  assert.ok(canceled.type === 'canceled');
  assert.equal(canceled.request, request);
  assert.equal(request.signal.aborted, true);
  assert.equal(request.reply('answer'), 'canceled');
  assert.equal(toClient.info().lateReplies, 0);
});

test('of an abort and a reply that race exactly one wins, on both sides, thousands of times', async (t) => {
  ownRoot(t);
  await startServer(t);
  await using client = await connectPort(NAME);
  const settled: string[] = [];
  for (const round of numbers(60)) {
    const calls = numbers(50).map(async (index) => {
      const abort = new AbortController();
      const text = `${round}.${index}`;
      const call = client.request(index % 5 === 0 ? `later 0 ${text}` : `echo ${text}`, { signal: abort.signal });
      const aborting = (index * 7 + round) % 3;
      if (aborting === 0) abort.abort();
      else if (aborting === 1) void nextTurn().then(() => abort.abort());
      else setTimeout(() => abort.abort(), round % 2);
      settled.push(`${text} ${await call.then((reply) => `got ${reply.data.toString()}`, nameOf)}`);
    });
    await Promise.all(calls);
  }
  assert.equal(settled.length, 3000);
  assert.equal(new Set(settled.map((line) => line.split(' ')[0])).size, 3000);
  const outcomes = new Map(settled.map((line) => [line.split(' ')[0]!, line.slice(line.indexOf(' ') + 1)]));
  for (const [text, outcome] of outcomes) assert.ok(outcome === `got ${text}` || outcome === 'AbortError', `${text}: ${outcome}`);

  // The server's account of the same: a request that it saw was answered for good, or canceled and then not answered.
  const journal = await journalWhen('the late ones have been answered', client, (seen) => tally(seen.map(({ what }) => what))['answered'] === tally(seen.map(({ what }) => what))['request']);
  const seen = groupByText(journal);
  let sent = 0;
  for (const [text, what] of seen) {
    const won = outcomes.get(text)!.startsWith('got');
    if (what === 'request, answered: sent') sent++;
    else assert.ok(!won && (what === 'request, canceled, answered: canceled'), `${text}: ${what}, while the client has ${outcomes.get(text)}`);
  }
  const got = [...outcomes.values()].filter((outcome) => outcome.startsWith('got')).length;
  assert.ok([...outcomes].every(([text, outcome]) => outcome === 'AbortError' || seen.get(text) === 'request, answered: sent'));
  await until('the late replies are counted', () => client.info().lateReplies === sent - got);
  assert.ok(got > 0 && got < 3000, `both win now and then: ${got} replies of 3000`);
  assert.equal(client.info().pendingRequests, 0);
});

/** What happened to each request, in its order. */
function groupByText(journal: readonly Entry[]): Map<string, string> {
  const all = new Map<string, string>();
  for (const { what, text, outcome } of journal) {
    const key = text.split(' ').at(-1)!;
    const line = outcome === undefined ? what : `${what}: ${outcome}`;
    all.set(key, all.has(key) ? `${all.get(key)}, ${line}` : line);
  }
  return all;
}
