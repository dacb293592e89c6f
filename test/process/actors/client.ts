/**
 * A client in a process of its own, which does what it is ordered. It may hold several connections, each known by a name,
 * and listen on a port of its own. Calls report how they ended; an awaited call does not keep the next order waiting, a
 * blocking one does.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownSession } from '../../../src/platform/peer-process.js';
import { type ClientPort, connectPort, connectPortSync, type ConnectSyncOptions, createPort, type RequestMessage } from '../../../src/ports/index.js';
import { obey, tell } from '../../support/actor.js';
import { cross, nameOf, outcomeOf, outcomeOfSync } from '../expect.js';
import { type Form, takeMessages } from '../taking.js';
import { Verbs } from '../verbs.js';

export type Order =
  | { type: 'connect'; name: string; as?: string; how?: 'blocking' | 'awaited'; options?: ConnectSyncOptions }
  /** Connects, and tells only whether that went well. */
  | { type: 'try'; name: string; how: 'blocking' | 'awaited' }
  | { type: 'call'; text: string; as?: string; how: 'blocking' | 'awaited'; timeout?: number }
  /** Posts each text without waiting for room. */
  | { type: 'post'; texts: string[]; as?: string }
  /** Posts texts as the first one says, and ends in the same turn as if by process.exit. */
  | { type: 'post-and-exit'; text: string; count: number; as?: string }
  /** Posts all the time, until it is stopped. */
  | { type: 'flood'; text: string; as?: string }
  | { type: 'stop' }
  /** Takes messages and tells of each; requests are answered. */
  | { type: 'take'; form: Form; as?: string }
  /** Answers requests after a while, and posts something of its own before. */
  | { type: 'answer'; after: number; postAfter: number; as?: string }
  /** Does what the peer's requests say (verbs.ts): on a connection, or on a port of its own. */
  | { type: 'serve'; as?: string }
  | { type: 'listen'; name: string }
  /** Many blocking calls in a row, with or without an `onCallback` that does what requests say. */
  | { type: 'cross'; text: string; count: number; callbacks: boolean; as?: string }
  /** Kills a process after a while. */
  | { type: 'kill'; pid: number; after: number }
  | { type: 'close'; as?: string }
  /** Begins a login session of its own, where root may. */
  | { type: 'log-in' }
  | { type: 'exit'; code: number };

export type News =
  | { type: 'connected'; data: string; pid: number }
  | { type: 'failed'; code: string; data: string }
  | { type: 'tried'; outcome: string }
  | { type: 'settled'; text: string; outcome: string }
  | { type: 'posted'; outcomes: string[] }
  | { type: 'took'; what: string; text: string }
  | { type: 'flooding' }
  | { type: 'stopped'; sent: number }
  | { type: 'killing' }
  | { type: 'serving' }
  | { type: 'listening' }
  | { type: 'crossing' }
  | { type: 'crossed'; outcomes: Record<string, number> }
  | { type: 'logged-in'; session: number | 'none' | undefined }
  | { type: 'closed' };

const verbs = new Verbs();
const flood = { on: false, sent: 0 };
const ports = new Map<string, ClientPort>();
const portOf = ({ as = 'default' }: { as?: string }): ClientPort => ports.get(as)!;

obey<Order>({
  'log-in': () => {
    try {
      writeFileSync('/proc/self/loginuid', '0');
    } catch {
      // then it stays in the session that it is in
    }
    tell<News>({ type: 'logged-in', session: ownSession() });
  },
  connect: async ({ name, as = 'default', how = 'awaited', options }) => {
    try {
      const port = how === 'blocking' ? connectPortSync(name, options) : await connectPort(name, options);
      ports.set(as, port);
      tell<News>({ type: 'connected', data: port.connectData.toString(), pid: port.peer.pid });
    } catch (error) {
      const { data } = error as { data?: Uint8Array };
      tell<News>({ type: 'failed', code: nameOf(error), data: data === undefined ? '' : Buffer.from(data).toString() });
    }
  },
  try: async ({ name, how }) => {
    try {
      const port = how === 'blocking' ? connectPortSync(name) : await connectPort(name);
      port.close();
      tell<News>({ type: 'tried', outcome: 'in' });
    } catch (error) {
      tell<News>({ type: 'tried', outcome: nameOf(error) });
    }
  },
  call: (order) => {
    const { text, how, timeout = Infinity } = order;
    if (how === 'blocking') return tell<News>({ type: 'settled', text, outcome: outcomeOfSync(() => portOf(order).requestSync(text, { timeout })) });
    void outcomeOf(portOf(order).request(text, { timeout })).then((outcome) => tell<News>({ type: 'settled', text, outcome }));
  },
  post: (order) => tell<News>({ type: 'posted', outcomes: order.texts.map((text) => portOf(order).tryPost(text)) }),
  'post-and-exit': (order) => {
    for (let index = 0; index < order.count; index++) if (portOf(order).tryPost(`${order.text} ${index}`) !== 'sent') process.exit(1);
    process.exit(0);
  },
  flood: (order) => {
    flood.on = true;
    let full = false;
    const turn = (): void => {
      for (let attempts = 0; attempts < 500; attempts++) {
        if (portOf(order).tryPost(order.text) === 'sent') flood.sent++;
        else if (!full) {
          full = true; // now there is more than can be taken
          tell<News>({ type: 'flooding' });
        }
      }
      if (flood.on) setImmediate(turn);
    };
    turn();
  },
  stop: () => {
    flood.on = false;
    tell<News>({ type: 'stopped', sent: flood.sent });
  },
  take: (order) => {
    void takeMessages(portOf(order), order.form, (message) => {
      tell<News>({ type: 'took', what: message.type, text: message.data.toString() });
      if (message.type === 'request') message.reply(`answer to ${message.data.toString()}`);
    });
  },
  answer: (order) => {
    const port = portOf(order);
    const answer = async (message: RequestMessage): Promise<void> => {
      await sleep(order.postAfter);
      port.tryPost('on my own account');
      await sleep(order.after - order.postAfter);
      message.reply(`answer to ${message.data.toString()}`);
    };
    port.on('message', (message) => {
      if (message.type === 'request') void answer(message);
    });
  },
  serve: (order) => {
    portOf(order).on('message', verbs.handle);
    tell<News>({ type: 'serving' });
  },
  listen: async ({ name }) => {
    (await createPort(name)).on('message', verbs.handle);
    tell<News>({ type: 'listening' });
  },
  cross: async (order) => {
    const port = portOf(order);
    tell<News>({ type: 'crossing' });
    await sleep(5); // the news is on its way
    tell<News>({ type: 'crossed', outcomes: cross(port, order.text, order.count, order.callbacks ? verbs.handle : undefined) });
  },
  kill: ({ pid, after }) => {
    setTimeout(() => process.kill(pid, 'SIGKILL'), after);
    tell<News>({ type: 'killing' });
  },
  close: (order) => {
    portOf(order).close();
    tell<News>({ type: 'closed' });
  },
  exit: ({ code }) => process.exit(code),
});
