/** The live trace: what happens is told, in an order in which it can have happened, without payloads, and in a form that Perfetto opens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPort, createPort, createSymbolicLink } from '../../src/index.js';
import { PerfettoWriter, trace, type TraceEvent } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { startClient, startServer } from './scene.js';

withLedger();

const NAME = '\\RPC Control\\traced';

/** Events until one is as told. */
async function collect(signal: AbortSignal, isLast: (event: TraceEvent) => boolean, begin: () => void = () => undefined): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  for await (const event of trace({ port: NAME, signal, interval: 2 })) {
    if (events.push(event) === 1) begin();
    if (isLast(event)) break;
  }
  return events;
}

test('a call is told as sent and received, its reply as sent and received, each once and in this order', async (t) => {
  temporaryRoot(t, { leftovers: true });
  const server = await startServer(t, NAME);
  const client = await startClient(t, NAME);
  const seen = await collect(t.signal, ({ event, type, messageId }) => event === 'receive' && type === 'reply' && messageId === 3, () => client.send({ type: 'call', data: 'SECRET', count: 3 }));
  assert.equal(seen[0]!.event, 'connect');
  for (const id of [1, 2, 3]) {
    assert.deepEqual(seen.filter(({ messageId, event }) => messageId === id && (event === 'send' || event === 'receive')).map(({ event, type, role, pid, bytes }) => [event, type, role, pid, bytes]), [
      ['send', 'request', 'client', client.pid, 6],
      ['receive', 'request', 'server', server.pid, 6],
      ['send', 'reply', 'server', server.pid, 9],
      ['receive', 'reply', 'client', client.pid, 9],
    ]);
  }
  assert.doesNotMatch(JSON.stringify(seen), /SECRET|an answer/);
  await client.until('done');
});

test('a link is followed to its port, also one that is made while the trace runs; what is no port is an error', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await startServer(t, NAME);
  await startClient(t, NAME);
  createSymbolicLink('\\link', NAME);
  for (const name of ['\\link', '\\late']) {
    let told: TraceEvent | undefined;
    setTimeout(() => name === '\\late' && createSymbolicLink(name, 'link'), 100);
    for await (const event of trace({ port: name, signal: AbortSignal.timeout(10_000), interval: 2 })) {
      told = event;
      break;
    }
    assert.deepEqual([told?.event, told?.port], ['connect', NAME], name);
  }
  for (const port of ['\\RPC Control', '\\']) await assert.rejects(async () => trace({ port }).next(), { code: 'ERR_ALPC_OBJECT_TYPE_MISMATCH', message: /of type Directory, not ALPC Port/ });
});

test('a thread that blocks is told to wait, and a client that goes to wait no more, and to disconnect', async (t) => {
  temporaryRoot(t, { leftovers: true });
  await startServer(t, NAME);
  const client = await startClient(t, NAME);
  const seen = await collect(t.signal, ({ event }) => event === 'disconnect', () => {
    client.send({ type: 'block', data: 'hang' });
    void client.until('done').then(() => setTimeout(() => void client.kill(), 500));
  });
  const wait = seen.find(({ event }) => event === 'wait')!;
  assert.deepEqual([wait.pid, wait.tid, wait.messageId, wait.role], [client.pid, client.pid, 1, 'client']);
  assert.deepEqual(seen.filter(({ event, tid }) => event === 'unwait' && tid === client.pid).map(({ pid, messageId }) => [pid, messageId]), [[client.pid, 1]]);
});

test('what is overwritten before it is seen is counted and not made up', async (t) => {
  temporaryRoot(t);
  const port = await createPort(NAME);
  const client = await connectPort(NAME, { limits: { ringLength: 4096 } });
  atEnd(t, async () => {
    client.close();
    await port.close();
  });
  port.on('message', () => undefined);
  const total = 2000;
  let counted = 0;
  const isLast = ({ event, missed }: TraceEvent): boolean => event === 'send' && (counted += missed ?? 1) >= total;
  const seen = await collect(t.signal, isLast, () => {
    void (async () => {
      for (let i = 0; i < total; i++) await client.post('x'.repeat(40));
    })();
  });
  assert.equal(counted, total);
  for (const event of seen) if (event.type !== undefined) assert.deepEqual([event.type, event.bytes], ['datagram', 40]);
});

test('a trace is drawn for Perfetto: processes have names, calls are slices, waits are slices of their thread', () => {
  const at = (ms: number): string => new Date(1_000_000 + ms).toISOString();
  const base = { port: NAME, connection: '1' } as const;
  const writer = new PerfettoWriter((pid) => `process number ${pid}`);
  const drawn = ([
    { ...base, at: at(0), event: 'connect', role: 'client', pid: 10 },
    { ...base, at: at(1), event: 'send', role: 'client', pid: 10, type: 'request', messageId: 5, bytes: 3 },
    { ...base, at: at(2), event: 'wait', role: 'client', pid: 10, tid: 11, messageId: 5 },
    { ...base, at: at(3), event: 'receive', role: 'client', pid: 10, type: 'reply', messageId: 5, bytes: 3 },
    { ...base, at: at(4), event: 'unwait', role: 'client', pid: 10, tid: 11, messageId: 5 },
    { ...base, at: at(5), event: 'send', role: 'client', pid: 10, type: 'request', messageId: 6, bytes: 3 },
  ] satisfies TraceEvent[]).flatMap((event) => writer.write(event));
  drawn.push(...writer.end(new Date(1_000_009)));
  assert.deepEqual(drawn.map(({ ph }) => ph), ['M', 'i', 'b', 'i', 'B', 'e', 'i', 'E', 'b', 'i', 'e']);
  assert.deepEqual(drawn[0]!['args'], { name: 'process number 10' });
  const [begin, end] = drawn.filter(({ id }) => id === '1/client/5');
  assert.equal((end!['ts'] as number) - (begin!['ts'] as number), 2000);
  const open = drawn.filter(({ id }) => id === '1/client/6');
  assert.equal((open[1]!['ts'] as number) - (open[0]!['ts'] as number), 4000);
});

test('waits that are open when the trace ends are closed with it, the innermost of a thread first, and an end that had no beginning is not drawn', () => {
  const writer = new PerfettoWriter(() => undefined);
  const at = (ms: number): string => new Date(1_000_000 + ms).toISOString();
  const wait = (ms: number, event: 'wait' | 'unwait', tid: number, messageId: number): TraceEvent => ({ port: NAME, connection: '1', role: 'client', pid: 10, at: at(ms), event, tid, messageId });
  const events = [wait(0, 'unwait', 11, 1), wait(1, 'wait', 11, 2), wait(2, 'wait', 11, 3), wait(3, 'wait', 12, 4), wait(4, 'unwait', 12, 4), wait(5, 'wait', 13, 5)];
  const drawn = [...events.flatMap((event) => writer.write(event)), ...writer.end(new Date(1_000_009))].filter(({ ph }) => ph === 'B' || ph === 'E');
  assert.deepEqual(drawn.map(({ ph, tid, ts }) => [ph, tid, (ts as number) - 1_000_000_000]), [
    ['B', 11, 1000], ['B', 11, 2000], ['B', 12, 3000], ['E', 12, 4000], ['B', 13, 5000], ['E', 11, 9000], ['E', 11, 9000], ['E', 13, 9000],
  ]);
  assert.deepEqual(writer.end(), [], 'once');
});
