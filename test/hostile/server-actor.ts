/**
 * A server of the library in a process of its own, for attacks that a process may not survive, that need another user, or that
 * starve it of descriptors. It answers each request with its own words, and tells what it has been told.
 */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type ConnectionPort, createPort, type CreatePortOptions, type Message } from '../../src/index.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ } from '../../src/platform/libc.js';
import { mappingQuota } from '../../src/platform/mappings.js';
import { libc } from '../../src/platform/system.js';
import { limitDescriptors } from '../platform/raw.js';
import { actorArguments, obey, tell } from '../support/actor.js';

export interface ServerArguments {
  readonly name: string;
  readonly options?: CreatePortOptions;
  /** How it receives: on the event loop, or blocking, and then it obeys no orders. */
  readonly form?: 'on' | 'blocking';
}

export type ServerOrder =
  | { type: 'limit'; descriptors: number }
  | { type: 'fill'; free: number }
  /** Makes mappings until so many may still be made for peers; uses memory, as a program does. */
  | { type: 'map'; free: number }
  | { type: 'empty' | 'report' | 'exercise' }
  /** Closes its port and ends. */
  | { type: 'end' };

export interface Report {
  /** 'protocol 4001 text', 'died 0': reason, user and offence of everyone who was refused or is gone. */
  readonly told: string[];
  readonly senders: string[];
  readonly descriptors: number;
  readonly mappings: number;
  /** Microseconds of processor time so far. */
  readonly cpu: number;
  /** The longest time that the event loop stood, in ms, since the last report. */
  readonly longest: number;
}
export type ServerNews = { type: 'ready' | 'done' } | ({ type: 'report' } & Report);

const { name, options = {}, form = 'on' } = JSON.parse(actorArguments()[0]!) as ServerArguments;
const told: string[] = [];
const senders: string[] = [];
const fillers: number[] = [];

function handle(message: Message): void {
  if (message.type === 'connection-request') return void message.accept();
  if (message.type !== 'request') return;
  senders.push(`${message.sender.pid} ${message.sender.uid}`);
  message.reply(message.data);
}

function note(reason: string, uid: number, error: Error | undefined): void {
  told.push(`${reason} ${uid}${error === undefined ? '' : ` ${error.message}`}`);
}

/** Pages of two kinds in turn, which the kernel can't take together, until the process has so many mappings. */
function mapUntil(most: number): void {
  const page = libc().getpagesize();
  const count = most - mappingQuota.inUse();
  const address = libc().mmap(0, count * page, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (let i = 1; i < count; i += 2) libc().mmap(address + i * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/** Nothing, while there is no descriptor to look with. */
function stock(): { descriptors: number; mappings: number } {
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
    return { descriptors: readdirSync('/proc/self/fd').length, mappings: maps.filter((line) => line.includes('/memfd:alpc')).length };
  } catch {
    return { descriptors: -1, mappings: -1 };
  }
}

function serve(port: ConnectionPort): void {
  port.on('refuse', (peer, reason, error) => note(reason, peer.uid, error));
  port.on('disconnect', ({ peer }, reason, error) => note(reason, peer.uid, error));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  obey<ServerOrder>({
    limit: ({ descriptors }) => {
      limitDescriptors(descriptors);
      tell<ServerNews>({ type: 'done' });
    },
    fill: ({ free }) => {
      try {
        for (;;) fillers.push(openSync('/dev/null', 'r'));
      } catch {
        for (let i = 0; i < free; i++) closeSync(fillers.pop()!);
      }
      tell<ServerNews>({ type: 'done' });
    },
    empty: () => {
      for (const fd of fillers.splice(0)) closeSync(fd);
      tell<ServerNews>({ type: 'done' });
    },
    map: ({ free }) => {
      mapUntil(mappingQuota.limit - free);
      tell<ServerNews>({ type: 'done' });
    },
    exercise: () => {
      const heap: object[][] = [];
      for (let i = 0; i < 100; i++) heap.push(Array.from({ length: 100_000 }, () => ({})));
      tell<ServerNews>({ type: 'done' });
    },
    report: () => {
      const { user, system } = process.cpuUsage();
      tell<ServerNews>({
        type: 'report',
        told: told.splice(0),
        senders: senders.splice(0),
        ...stock(),
        cpu: user + system,
        longest: delay.max / 1e6,
      });
      delay.reset();
    },
    end: async () => {
      await port.close();
      process.disconnect();
    },
  });
  if (form === 'on') port.on('message', handle);
  tell<ServerNews>({ type: 'ready' });
  if (form === 'blocking') setImmediate(() => { for (;;) handle(port.receiveSync()); });
}

serve(await createPort(name, options));
