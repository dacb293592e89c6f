/**
 * A process that is short of something, as it is told: of descriptors, or of addresses for its memory. It is a server (in its main
 * thread or in a worker), a client, or both; and it tells how much processor time it uses.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type AcceptedKind, type ClientPort, connectPort, connectPortSync, createPort, type PortLimits } from '../../../src/ports/index.js';
import { limitAddresses, limitDescriptors } from '../../platform/raw.js';
import { obey, tell } from '../../support/actor.js';
import { nameOf } from '../expect.js';
import { NAME } from '../serving.js';
import { type Form, takeMessages } from '../taking.js';
import { Verbs } from '../verbs.js';

export type Order =
  | { type: 'serve'; form: Form; thread: 'main' | 'worker'; limits?: PortLimits; accepts?: AcceptedKind[] }
  /** The same, with none kept for newcomers that must be sent away. */
  | { type: 'serve without a reserve' }
  | { type: 'end of the shortage' }
  | { type: 'fill'; room: number }
  /** So many more bytes of addresses than it has now. */
  | { type: 'confine'; bytes: number }
  | { type: 'connect'; how: 'blocking' | 'awaited'; limits?: PortLimits; accepts?: AcceptedKind[] }
  /** On its first connection, or on its last. */
  | { type: 'call'; text: string; on?: 'last'; how?: 'blocking' }
  | { type: 'measure'; milliseconds: number };
export type News =
  | { type: 'serving' }
  | { type: 'filled' }
  | { type: 'tried'; outcome: string; errno: string; syscall: string }
  | { type: 'settled'; outcome: string; cause: string; text: string }
  | { type: 'used'; milliseconds: number };

const { closeSync, openSync } = fs; // as they are now
const fillers: number[] = [];
const clients: ClientPort[] = [];
limitDescriptors(200);

function fill(room: number): void {
  for (const fd of fillers.splice(0)) closeSync(fd);
  if (room === Infinity) return;
  try {
    for (;;) fillers.push(openSync('/dev/null', 'r'));
  } catch {
    for (let i = 0; i < room; i++) closeSync(fillers.pop()!);
  }
}

obey<Order>({
  serve: async ({ form, thread, limits = {}, accepts = [] }) => {
    if (thread === 'worker') {
      const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: { do: 'serve', name: NAME, form } });
      await new Promise((resolve) => worker.once('message', resolve));
    } else void takeMessages(await createPort(NAME, { limits, accepts }), form, new Verbs().handle);
    tell<News>({ type: 'serving' });
  },
  'serve without a reserve': async () => {
    fs.openSync = () => {
      throw Object.assign(new Error('EMFILE: another thread was faster'), { code: 'EMFILE', syscall: 'open' });
    };
    syncBuiltinESMExports();
    void takeMessages(await createPort(NAME), 'on', new Verbs().handle);
    tell<News>({ type: 'serving' });
  },
  'end of the shortage': () => {
    fs.openSync = openSync;
    syncBuiltinESMExports();
    fill(Infinity);
    tell<News>({ type: 'filled' });
  },
  fill: ({ room }) => {
    fill(room);
    tell<News>({ type: 'filled' });
  },
  confine: ({ bytes }) => {
    const size = Number(/^VmSize:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
    if (limitAddresses(size + bytes) !== 'ok') throw new Error('no limit could be set');
    tell<News>({ type: 'filled' });
  },
  connect: async ({ how, limits = {}, accepts = [] }) => {
    try {
      const client = how === 'blocking' ? connectPortSync(NAME, { limits, accepts }) : await connectPort(NAME, { limits, accepts });
      clients.push(client);
      tell<News>({ type: 'tried', outcome: 'in', errno: '', syscall: '' });
    } catch (error) {
      const { errno = '', syscall = '' } = error as { errno?: string; syscall?: string };
      tell<News>({ type: 'tried', outcome: nameOf(error), errno, syscall });
    }
  },
  call: async ({ text, on, how }) => {
    const client = clients.at(on === 'last' ? -1 : 0)!;
    try {
      const { data } = how === 'blocking' ? client.requestSync(text) : await client.request(text);
      tell<News>({ type: 'settled', outcome: data.toString(), cause: '', text: '' });
    } catch (error) {
      const { cause, message } = error as Error;
      tell<News>({ type: 'settled', outcome: nameOf(error), cause: cause === undefined ? '' : nameOf(cause), text: message });
    }
  },
  measure: async ({ milliseconds }) => {
    await sleep(100);
    const before = process.cpuUsage();
    await sleep(milliseconds);
    const { user, system } = process.cpuUsage(before);
    tell<News>({ type: 'used', milliseconds: (user + system) / 1000 });
  },
});
