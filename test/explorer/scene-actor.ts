/** A process of a scene that is inspected: it serves ports, connects to others', calls and waits, as it is told. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ClientPort, type ConnectionPort, connectPort, connectPortSync, createEvent, createPort, type Event } from '../../src/index.js';
import { inspectGraph, inspectObject, inspectTree, inspectWaits } from '../../src/explorer/index.js';
import { obey, tell } from '../support/actor.js';

export type Order =
  | { type: 'serve'; name: string; everyone?: boolean }
  | { type: 'connect'; name: string; count: number }
  /** So many calls, one after the other. */
  | { type: 'call'; data: string; count: number }
  | { type: 'post'; data: string; count: number }
  /** A call that blocks this thread until it is answered, if ever; told before. */
  | { type: 'block'; data: string }
  /** When the next request comes that says so, blocks in a call of its own to this port. */
  | { type: 'passOn'; name: string }
  /** A worker thread that serves, and passes on what comes to the next. */
  | { type: 'thread'; name: string; next: string }
  | { type: 'hold'; event: string }
  | { type: 'spin' }
  /** Closes the ports that it serves. */
  | { type: 'leave' }
  | { type: 'look'; what: 'graph' | 'tree' | 'object' | 'deadlocks'; name?: string };
export type News = { type: 'ready' } | { type: 'done' } | { type: 'seen'; seen: unknown };

const ports: ConnectionPort[] = [];
const clients: ClientPort[] = [];
const held: Event[] = [];

obey<Order>({
  async serve({ name, everyone = false }) {
    const port = await createPort(name, { accepts: ['secure-view', 'view'], ...(everyone ? { security: { allow: [{ user: 'everyone' as const }], deny: [{ user: 65_500 }, { group: 65_501, executable: '/bin/false', session: 7, label: 'unconfined' }] } } : {}) });
    port.on('message', (message) => {
      if (message.type === 'request' && String(message.data) !== 'hang') message.reply('an answer');
    });
    ports.push(port);
    tell<News>({ type: 'ready' });
  },
  async connect({ name, count }) {
    for (let i = 0; i < count; i++) clients.push(await connectPort(name));
    tell<News>({ type: 'ready' });
  },
  async call({ data, count }) {
    for (let i = 0; i < count; i++) await clients[0]!.request(data);
    tell<News>({ type: 'done' });
  },
  async post({ data, count }) {
    for (let i = 0; i < count; i++) await clients[0]!.post(data);
    tell<News>({ type: 'done' });
  },
  block({ data }) {
    tell<News>({ type: 'done' });
    setTimeout(() => clients[0]!.requestSync(data), 20); // when that has been told
  },
  passOn({ name }) {
    const next = connectPortSync(name);
    ports[0]!.removeAllListeners('message');
    ports[0]!.on('message', () => {
      try {
        next.requestSync('go');
      } catch {
        // the circle is opened when the test ends its processes
      }
    });
    tell<News>({ type: 'ready' });
  },
  async thread({ name, next }) {
    await once(new Worker(new URL('./passing-thread.js', import.meta.url), { workerData: { name, next } }), 'message');
    tell<News>({ type: 'ready' });
  },
  hold({ event }) {
    held.push(createEvent(event, { initialState: true }));
    tell<News>({ type: 'ready' });
  },
  spin() {
    tell<News>({ type: 'done' });
    setTimeout(() => {
      for (;;);
    }, 20);
  },
  async leave() {
    for (const port of ports) await port.close();
    tell<News>({ type: 'done' });
  },
  look({ what, name }) {
    const look = { graph: () => inspectGraph(), tree: () => inspectTree(), object: () => inspectObject(name!), deadlocks: () => inspectWaits().cycles }[what];
    tell<News>({ type: 'seen', seen: look() });
  },
});

void held;
