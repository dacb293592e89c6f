/**
 * Handles between processes: TCP connections and servers that go on in another process, files and events; a sender that is killed with its
 * descriptors on the way, and a receiver that has no number left for one more.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type ClientPort, connectPort, type ConnectionPort, createEvent, createPort } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { textOf } from '../support/open-files.js';
import { type Actor, startActor } from '../support/processes.js';
import type { News, Order } from './actors/adopter.js';
import type { News as GiverNews, Order as GiverOrder } from './actors/giver.js';
import { failsWith, numbers, until } from './expect.js';
import { NAME, ownRoot } from './serving.js';

withLedger();

type Adopter = Actor<Order, News>;
const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

async function adopter(t: TestContext): Promise<{ actor: Adopter; client: ClientPort }> {
  ownRoot(t);
  const actor = startActor<Order, News>(t, new URL('./actors/adopter.js', import.meta.url), [NAME], {}, { watchdog: 120_000 });
  await actor.until('ready');
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { actor, client };
}

/** Messages with two handles each: those that are in the ring when their sender is killed, and those whose records wait for room in it. */
const [ARRIVING, WAITING] = [5, 4];

/** How many descriptors of this process are for a file. */
function descriptorsFor(file: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // that of the listing itself
    }
  }).length;
}

/** A port, and a process that is connected with it, to send it a file with this text. */
async function givenBy(t: TestContext): Promise<{ port: ConnectionPort; giver: Actor<GiverOrder, GiverNews>; file: string; text: string }> {
  const [file, text] = [join(ownRoot(t), 'gift'), 'a gift'];
  writeFileSync(file, text);
  const port = await createPort(NAME, { accepts: ['file'] });
  atEnd(t, () => port.close());
  const giver = startActor<GiverOrder, GiverNews>(t, new URL('./actors/giver.js', import.meta.url), [NAME, file]);
  await giver.until('ready');
  return { port, giver, file, text };
}

async function fetchText(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    httpGet({ port, host: '127.0.0.1', path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test('an accepted TCP connection that is handed to another process goes on there: an HTTP client is answered by it, and by curl\'s count of requests on one connection too', async (t) => {
  const { actor, client } = await adopter(t);
  const front = createServer({ pauseOnConnect: true });
  atEnd(t, () => new Promise((resolve) => front.close(resolve)));
  front.on('connection', (socket: Socket) => {
    void client.request('yours', { handles: [socket] }).then(() => socket.destroy());
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  for (const i of numbers(20)) assert.equal(await fetchText(port, `/page-${i}`), `/page-${i} of process ${actor.pid}`);
  const response = await fetch(`http://127.0.0.1:${port}/by-fetch`, { headers: { connection: 'close' } });
  assert.equal(await response.text(), `/by-fetch of process ${actor.pid}`);
  const curl = spawn('curl', ['-s', `http://127.0.0.1:${port}/a`, `http://127.0.0.1:${port}/b`], { stdio: ['ignore', 'pipe', 'ignore'] });
  let seen = '';
  curl.stdout.on('data', (part: Buffer) => (seen += part.toString()));
  const outcome = await Promise.race([once(curl, 'close').then(([code]) => code as number), once(curl, 'error').then(() => 'no curl here')]);
  if (outcome !== 'no curl here') assert.deepEqual([outcome, seen], [0, `/a of process ${actor.pid}/b of process ${actor.pid}`]);
  assert.deepEqual((await actor.until('took')).kinds, ['socket']);
  await actor.ask({ type: 'close' }, 'done');
  await actor.ended;
});

test('a listening server that is handed over is served by the other process, and goes on when the sender has closed its own', async (t) => {
  const { actor, client } = await adopter(t);
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await client.request('yours', { handles: [server] });
  await new Promise((resolve) => server.close(resolve));
  for (const i of numbers(10)) assert.equal(await fetchText(port, `/${i}`), `/${i} of process ${actor.pid}`);
  await actor.ask({ type: 'close' }, 'done');
  await actor.ended;
});

test('a file is read, and an event set, by the other process; nothing is left of a thousand of them', async (t) => {
  const { actor, client } = await adopter(t);
  const file = openSync('/proc/self/status', 'r');
  const event = createEvent(undefined, { kind: 'synchronization' });
  const first = await client.request('', { handles: [file] });
  assert.match(first.data.toString(), new RegExp(`Pid:\\s+${process.pid}\\n`), 'a file of this very process');
  closeSync(file);
  const before = descriptorsOf(actor.pid);
  for (const _ of numbers(1000)) {
    await client.request('', { handles: [event, event, event] });
    await event.wait({ timeout: 5000 });
  }
  assert.equal(client.info().handlesOut, 0);
  await until('it has closed them', () => descriptorsOf(actor.pid) <= before + 1);
  event.close();
  await actor.kill();
});

test('a receiver without a number for one more descriptor ends the connection with the quota\'s reason, keeps none, and serves whoever comes when it has room', async (t) => {
  const { actor, client } = await adopter(t);
  const file = openSync('/proc/self/exe', 'r');
  atEnd(t, () => closeSync(file));
  await actor.ask({ type: 'fill', room: 3 }, 'done');
  const full = descriptorsOf(actor.pid);
  await assert.rejects(client.request('', { handles: numbers(8).map(() => file) }), failsWith('ERR_ALPC_DISCONNECTED'));
  assert.equal((await actor.until('gone')).reason, 'quota');
  await until('it kept none', () => descriptorsOf(actor.pid) < full);
  await actor.ask({ type: 'fill', room: Infinity }, 'done');
  const again = await connectPort(NAME);
  const event = createEvent();
  await again.request('', { handles: [event] });
  assert.equal(event.state, true);
  event.close();
  again.close();
  await actor.kill();
});

test('handles that are on their way when their receiver is killed are let go', async (t) => {
  const { actor, client } = await adopter(t);
  actor.signal('SIGSTOP');
  const event = createEvent();
  const before = readdirSync('/proc/self/fd').length;
  for (const _ of numbers(30)) assert.equal(client.tryPost('', { handles: [event, event] }), 'sent');
  assert.throws(() => client.tryPost('', { handles: [event, event, event, event, event] }), failsWith('ERR_ALPC_QUOTA_EXCEEDED'));
  await actor.kill();
  await until('the end was seen', () => client.closed);
  event.close();
  assert.ok(readdirSync('/proc/self/fd').length <= before);
});

for (const seen of [0, 1, 3]) {
  test(`a sender is killed with handles on their way, of which ${seen} messages have been received: what is in the ring may be taken still, and no descriptor stays of what is not`, async (t) => {
    const { port, giver, file, text } = await givenBy(t);
    await giver.ask({ type: 'give', arriving: ARRIVING, waiting: WAITING }, 'gave');
    const texts: string[] = [];
    const taken: number[] = [];
    const receive = async (): Promise<boolean> => {
      const message = await port.receive();
      if (message.type === 'port-closed') assert.equal(message.reason, 'died');
      if (message.type !== 'datagram' || message.handles.length === 0) return message.type !== 'port-closed';
      texts.push(String(message.data));
      assert.deepEqual(message.handles.kinds, ['file', 'file']);
      taken.push(message.handles.take(1)); // the other one is closed by the release
      message.release();
      return true;
    };
    for (const _ of numbers(seen)) await receive();
    await giver.kill();
    while (await receive());
    assert.deepEqual(texts, numbers(ARRIVING).map((i) => `arrives ${i}`));
    assert.deepEqual(taken.map(textOf), taken.map(() => text));
    taken.forEach((fd) => closeSync(fd));
    await until('nothing is left', () => descriptorsFor(file) === 0);
  });
}

test('of a sender that is killed with handles on their way no descriptor stays at a port that has not received them, when it is closed', async (t) => {
  const { port, giver, file } = await givenBy(t);
  await giver.ask({ type: 'give', arriving: ARRIVING, waiting: WAITING }, 'gave');
  await giver.kill();
  await until('the port has seen its end, and holds what it left', () => port.connections.length === 0 && descriptorsFor(file) > 0);
  await port.close();
  await until('nothing is left', () => descriptorsFor(file) === 0);
});
