/** The page's side of the HTTP interface: the stream however it is cut, the token, what comes after a stream that ended. Against the server of the fixture. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Api, ApiError, type LinkState, type LiveEvent } from '../../explorer-page/logic/api.js';
import { EventStreamParser } from '../../explorer-page/logic/event-stream.js';
import { readHash, writeHash } from '../../explorer-page/logic/location.js';
import { FIXTURE_TOKEN, serveFixture } from './fixture-server.js';

const STREAM = ': hello\n\nevent: info\ndata: {"a":1}\n\nevent: objects\r\ndata: [1,\r\ndata: 2]\r\n\r\ndata:x\n\nevent: none\n\nevent: last\rdata: y\r\r\n';
const EVENTS = [{ event: 'info', data: '{"a":1}' }, { event: 'objects', data: '[1,\n2]' }, { event: 'message', data: 'x' }, { event: 'last', data: 'y' }];

test('a stream of events is read the same however the network cuts it', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length }), { maxLength: 12 }), (cuts) => {
    const parser = new EventStreamParser();
    const ends = [...cuts.toSorted((a, b) => a - b), STREAM.length];
    const pieces = ends.map((end, index) => STREAM.slice(index === 0 ? 0 : ends[index - 1]!, end));
    assert.deepEqual(pieces.flatMap((piece) => parser.push(piece)), EVENTS);
  }));
});

test('with the token there are answers, and what is not there is an error with its code', async () => {
  await using server = await serveFixture();
  const api = new Api(FIXTURE_TOKEN, server.url.slice(0, -1));
  assert.equal((await api.info()).host, 'desk');
  assert.equal((await api.object('\\RPC Control\\spooler')).type, 'ALPC Port');
  assert.ok((await api.graph()).processes.length > 0 && (await api.waits()).waits.length > 0);
  await assert.rejects(api.object('\\no such'), (error) => error instanceof ApiError && error.status === 404 && error.code === 'ERR_ALPC_NAME_NOT_FOUND');
});

test('who listens hears of objects and pictures until they stop listening', async () => {
  await using server = await serveFixture({ interval: 20 });
  const api = new Api(FIXTURE_TOKEN, server.url.slice(0, -1));
  const ending = new AbortController();
  const heard = new Set<LiveEvent['event']>();
  await api.listen({ objects: true, object: '\\RPC Control\\spooler', graph: true }, {
    signal: ending.signal,
    onEvent: ({ event }) => {
      if (event === 'info') server.tell([{ event: 'created', name: '\\new', type: 'Event' }]);
      heard.add(event);
      if (heard.size === 4) ending.abort();
    },
  });
  assert.deepEqual([...heard].toSorted(), ['graph', 'info', 'objects', 'port']);
});

test('a wrong token ends the listening at once, and is not tried again', async () => {
  await using server = await serveFixture();
  const states: LinkState[] = [];
  await new Api('wrong', server.url.slice(0, -1)).listen({}, { signal: new AbortController().signal, onEvent: ({ event }) => assert.fail(event), onState: (state) => states.push(state) });
  assert.deepEqual(states, ['connecting', 'refused']);
});

test('a server that went is tried again until it is back', async () => {
  const first = await serveFixture();
  const port = Number(new URL(first.url).port);
  const ending = new AbortController();
  const states: LinkState[] = [];
  const listening = new Api(FIXTURE_TOKEN, first.url.slice(0, -1)).listen({}, {
    signal: ending.signal,
    onEvent: ({ event }) => {
      if (event !== 'info') return;
      if (states.includes('lost')) ending.abort();
      else void first[Symbol.asyncDispose]().then(async () => restarted.push(await serveFixture({ port })));
    },
    onState: (state) => states.push(state),
  });
  const restarted: AsyncDisposable[] = [];
  await listening;
  await restarted[0]![Symbol.asyncDispose]();
  assert.deepEqual([states.slice(0, 3), states.at(-1)], [['connecting', 'live', 'lost'], 'live']);
});

test('the token is read from the address and never written there', () => {
  assert.deepEqual(readHash('#token=abc'), { token: 'abc', isGraph: false });
  const hash = writeHash({ path: '\\RPC Control\\a&b=c#d', isGraph: true });
  assert.deepEqual(readHash(hash), { path: '\\RPC Control\\a&b=c#d', isGraph: true });
  assert.ok(!writeHash(readHash('#token=abc&path=%5CA')).includes('abc'));
  assert.deepEqual(readHash('#path=https://elsewhere'), { isGraph: false });
});
