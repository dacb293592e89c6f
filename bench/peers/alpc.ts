/**
 * alpc itself, in the forms that it offers: the client blocks or awaits; the server takes messages by `receiveSync` in a loop,
 * by `on('message')` or by `for await`. Everything through the public API with its defaults, as for any other peer. An empty
 * request asks how many datagrams have come: it travels behind them in the same ring, so its answer counts them all. A request of one byte
 * has the server hold still until its client has written what is to wait, and tell with the next count how long it took to take it.
 */
import { connectPort, connectPortSync, createPort, type ClientPort, type ConnectionPort, type Message } from '../../src/index.js';
import { checkCount, countBytes, readCount } from '../core/calls.js';
import { Server } from '../core/server-process.js';
import type { Peer, Session } from '../peer.js';

export type Making = 'blocking' | 'awaited';
export type Taking = 'receiveSync' | 'on' | 'for await' | 'completion list';

const EMPTY = Buffer.alloc(0);
const HOLD = Buffer.alloc(1);
/** Milliseconds: to write what a ring holds takes a fifth of one. */
const HELD = 2;

export async function serve(name: string, taking: string): Promise<void | (() => void)> {
  const port = await createPort(name);
  const answer = answerer();
  if (taking === 'receiveSync') return () => takeBlocking(port, answer);
  if (taking === 'for await') void takeAwaiting(port, answer);
  else if (taking === 'completion list') void takeFromList(port, answer);
  else port.on('message', answer);
}

function answerer(): (message: Message) => void {
  let count = 0;
  let since = 0;
  return (message) => {
    if (message.type === 'datagram') count++;
    if (message.type !== 'request') return;
    if (message.dataLength > HOLD.length) {
      message.reply(message.data);
      return;
    }
    if (message.dataLength === HOLD.length) {
      message.reply(EMPTY);
      since = performance.now() + HELD;
      while (performance.now() < since);
      return;
    }
    message.reply(Buffer.concat([countBytes(count), doubleBytes(performance.now() - since)]));
    count = 0;
  };
}

function takeBlocking(port: ConnectionPort, answer: (message: Message) => void): never {
  for (;;) {
    const message = port.receiveSync();
    if (message !== undefined) answer(message);
  }
}

async function takeAwaiting(port: ConnectionPort, answer: (message: Message) => void): Promise<void> {
  for await (const message of port) answer(message);
}

/** Takes what is there until there is nothing, then waits. */
async function takeFromList(port: ConnectionPort, answer: (message: Message) => void): Promise<void> {
  const list = port.registerCompletionList();
  for (;;) {
    const messages = list.poll(1024);
    for (const message of messages) answer(message);
    if (messages.length === 0) await list.wait();
  }
}

let names = 0;

export function alpcPeer(making: Making, taking: Taking): Peer {
  return {
    async start() {
      const address = `\\RPC Control\\bench-${process.pid}-${names++}`;
      const server = await Server.start({ module: import.meta.url, address, mode: taking });
      const client = await connectPort(address);
      const calls: Pick<Session, 'echo' | 'echoSync'> =
        making === 'blocking' ? { echoSync: (data) => client.requestSync(data) } : { echo: (data) => client.request(data) };
      return {
        ...calls,
        server,
        address,
        burst: (count, data) => burst(client, count, data),
        waiting: (count, data) => waiting(client, count, data),
        async connectOnce() {
          const another = making === 'blocking' ? connectPortSync(address) : await connectPort(address);
          another.close();
        },
        async close() {
          client.close();
          await server.end();
        },
      };
    },
    async hold(address, count) {
      for (let i = 0; i < count; i++) held.push(await connectPort(address));
    },
  };
}

const held: ClientPort[] = [];

/** As fast as the ring takes them; where it is full, waiting for room. */
async function burst(client: ClientPort, count: number, data: Buffer): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const outcome = client.tryPost(data);
    if (outcome === 'full') await client.post(data);
    else if (outcome === 'disconnected') throw new Error('the server is gone');
  }
  checkCount(readCount((await client.request(EMPTY)).data), count);
}

/** Writes them all while the server holds still. Where the client was not given a core for so long, again. */
async function waiting(client: ClientPort, count: number, data: Buffer): Promise<number> {
  for (;;) {
    await client.request(HOLD);
    const held = performance.now() + HELD / 2;
    for (let sent = 0; sent < count; sent++) if (client.tryPost(data) !== 'sent') throw new Error('the ring does not hold what is to wait');
    const isInTime = performance.now() < held;
    const answer = (await client.request(EMPTY)).data;
    checkCount(readCount(answer), count);
    if (isInTime) return answer.readDoubleLE(4);
  }
}

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
