/**
 * Two processes that talk without a pause, everything numbered, for tests that disturb them. The client asks and posts, the
 * server answers and posts. On order the client comes to an end, asks the server what it got, and tells whether the numbers agree.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type ClientPort, connectPort, createPort, type Message } from '../../src/ports/index.js';
import { numbers } from '../process/expect.js';
import { takeMessages } from '../process/taking.js';
import { actorArguments, obey, tell } from '../support/actor.js';

export type Order = { type: 'finish' };
export type News =
  | { type: 'ready' }
  | { type: 'finished'; calls: number; posts: number; received: number; wrong: string[] };

const [role, form, name] = actorArguments() as ['client' | 'server', 'blocking' | 'awaited', string];
const finishing = { now: false };
obey<Order>({ finish: () => void (finishing.now = true) });
await (role === 'server' ? serve() : talk());

/** Answers each call with itself, and 'totals' with what it got and posted. */
async function serve(): Promise<void> {
  const port = await createPort(name);
  const got = { posts: 0, posted: 0, wrong: 0 };
  tell<News>({ type: 'ready' });
  await takeMessages(port, form === 'blocking' ? 'receiveSync' : 'on', (message: Message) => {
    const text = message.data.toString();
    if (message.type === 'datagram') {
      if (text !== `post ${got.posts++}`) got.wrong++;
    } else if (message.type === 'request') {
      if (text !== 'totals' && message.port.tryPost(`from the server ${got.posted}`) === 'sent') got.posted++;
      message.reply(text === 'totals' ? JSON.stringify(got) : text);
    }
  });
}

async function talk(): Promise<void> {
  const port = await connectPort(name);
  const told: Extract<News, { type: 'finished' }> = { type: 'finished', calls: 0, posts: 0, received: 0, wrong: [] };
  tell<News>({ type: 'ready' });
  for (let round = 0; !finishing.now; round++) {
    if (form === 'blocking') converseBlocking(port, told);
    else await converse(port, told);
    hear(port, told);
    await turn(); // for the order to finish
  }
  const totals = JSON.parse((await port.request('totals')).data.toString()) as { posts: number; posted: number; wrong: number };
  hear(port, told);
  if (totals.wrong > 0) told.wrong.push(`the server got ${totals.wrong} posts out of their order`);
  if (totals.posts !== told.posts) told.wrong.push(`the server got ${totals.posts} posts of ${told.posts}`);
  if (totals.posted !== told.received) told.wrong.push(`the client got ${told.received} posts of ${totals.posted}`);
  port.close();
  tell<News>(told);
}

type Told = Extract<News, { type: 'finished' }>;

function converseBlocking(port: ClientPort, told: Told): void {
  for (const _ of numbers(20)) {
    port.postSync(`post ${told.posts++}`);
    check(told, port.requestSync(`call ${told.calls}`).data);
  }
}

async function converse(port: ClientPort, told: Told): Promise<void> {
  const first = told.calls;
  const replies = await Promise.all(numbers(20).map(async (index) => {
    await port.post(`post ${told.posts++}`);
    return port.request(`call ${first + index}`);
  }));
  for (const { data } of replies) check(told, data);
}

function check(told: Told, reply: Buffer): void {
  const expected = `call ${told.calls++}`;
  if (reply.toString() !== expected) told.wrong.push(`'${reply.toString()}' answers '${expected}'`);
}

/** What the server posted so far. */
function hear(port: ClientPort, told: Told): void {
  for (let message = port.tryReceive(); message !== undefined; message = port.tryReceive()) {
    const expected = `from the server ${told.received++}`;
    if (message.data.toString() !== expected) told.wrong.push(`'${message.data.toString()}' came for '${expected}'`);
  }
}
