/**
 * A server and its client in one process whose handlers throw when a message tells them to. What comes to the process as an
 * uncaught exception is counted, and told on request: 'errors' is answered with all of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort, createPort, createUnconnectedPort } from '../../../src/ports/index.js';
import { obey, tell } from '../../support/actor.js';
import { outcomeOf } from '../expect.js';
import { NAME } from '../serving.js';

export type Order = { type: 'call'; text: string } | { type: 'push'; texts: string[] } | { type: 'report' } | { type: 'callback'; texts: string[] } | { type: 'close' };
export type News = { type: 'ready' } | { type: 'settled'; outcome: string } | { type: 'report'; errors: string[]; heard: string[] } | { type: 'closed' };

const errors: string[] = [];
const heard: string[] = [];
process.on('uncaughtException', (error) => errors.push(error.message));

const port = await createPort(NAME);
port.on('connect', (connected) => {
  heard.push('connect');
  throw new Error(`connect ${connected.peer.pid === process.pid}`);
});
port.on('disconnect', () => {
  throw new Error('disconnect');
});
port.on('close', () => {
  throw new Error('close');
});
port.on('message', (message) => {
  const text = message.data.toString();
  heard.push(`${message.type} ${text}`);
  if (text.startsWith('throw')) throw new Error(text);
  if (message.type === 'request') message.reply(`answer to ${text}`);
});

const client = await connectPort(NAME);
client.on('message', (message) => {
  const text = message.data.toString();
  heard.push(`client ${text}`);
  if (text.startsWith('throw')) throw new Error(`client ${text}`);
});

obey<Order>({
  call: async ({ text }) => tell<News>({ type: 'settled', outcome: await outcomeOf(client.request(text, text.startsWith('throw') ? { timeout: 100 } : {})) }),
  push: ({ texts }) => texts.forEach((text) => port.connections[0]!.tryPost(text)),
  callback: async ({ texts }) => {
    const self = createUnconnectedPort();
    self.on('message', (message) => heard.push(`before: ${String(message.data)}`));
    self.setCallback((message) => {
      heard.push(`callback: ${String(message.data)}`);
      if (String(message.data).startsWith('throw')) throw new Error(String(message.data));
    });
    self.on('message', (message) => {
      heard.push(`after: ${String(message.data)}`);
      if (String(message.data) === texts.at(-1)) self.close();
    });
    const outcomes = texts.map((text) => self.tryPost(text));
    while (!self.closed) await sleep(1);
    tell<News>({ type: 'settled', outcome: outcomes.join(' ') });
  },
  report: () => tell<News>({ type: 'report', errors: errors.splice(0), heard: heard.splice(0) }),
  close: async () => {
    client.close();
    while (port.connections.length > 0) await sleep(1);
    await port.close();
    await sleep(50);
    tell<News>({ type: 'closed' });
  },
});
tell<News>({ type: 'ready' });
