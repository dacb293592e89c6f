/**
 * Two hundred clients, of which one is killed every 20 ms (crowd.c): the server answers the others, is told of each end, and
 * does not grow. Five seconds here; `npm run test:kill` takes ten minutes. Needs a C compiler, and is skipped where there is none.
 *
 * Memory is what the JavaScript heap holds after a collection, and what the process has resident; descriptors and mappings
 * are what the kernel says, and must be as many as before the first client came. (Address space that is reserved for mappings
 * is kept for the next ones: arena.ts.)
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../process/expect.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { temporaryRoot } from '../support/root.js';
import type { News, Order } from './crowd-actor.js';

withLedger();

const SECONDS = Number(process.env['ALPC_CROWD_SECONDS'] ?? 5);
const CLIENTS = 200;
const PERIOD = 20;
/** Samples of the resident memory; the first quarter is warming up. */
const SAMPLES = 40;
const MIB = 1024 * 1024;
/** In so few seconds V8 has not grown as it will. */
const RESIDENT_GROWTH = (SECONDS < 60 ? 24 : 8) * MIB;

const compiler = spawnSync('cc', ['--version']).error === undefined;

test(`two hundred clients, one killed every 20 ms for ${SECONDS} s: every other is answered, every end is told, and the server does not grow`, { skip: compiler ? false : 'no C compiler is installed', timeout: (SECONDS + 110) * 1000 }, async (t) => {
  const root = temporaryRoot(t);
  const crowd = join(root, '..', 'crowd');
  execFileSync('cc', ['-O1', '-o', crowd, fileURLToPath(new URL('../../../test/death/crowd.c', import.meta.url))]);
  const server = startActor<Order, News>(t, new URL('./crowd-actor.js', import.meta.url), ['\\RPC Control\\crowd'], {}, { watchdog: (SECONDS + 100) * 1000 });
  await server.until('ready');
  const run = async (seconds: number): Promise<Record<string, number>> => {
    const { stdout } = await promisify(execFile)(crowd, [join(root, 'RPC Control'), 'crowd', String(CLIENTS), String(PERIOD), String(seconds)]);
    return Object.fromEntries(stdout.trim().split(' ').map((pair) => [pair.split('=')[0]!, Number(pair.split('=')[1])]));
  };
  const empty = (): Promise<Extract<News, { type: 'measured' }>> => until('all are gone', async () => {
    const measured = await server.ask({ type: 'measure' }, 'measured');
    return measured.connections === 0 && measured.ended === measured.connected ? measured : undefined;
  });
  await run(1); // what is made once and kept is made
  const before = await empty();
  const held = holdings(server.pid);

  const running = run(SECONDS);
  const resident: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await sleep((SECONDS * 1000) / SAMPLES);
    resident.push(residentOf(server.pid));
  }
  const told = await running;
  const after = await empty();

  const growth = mean(resident.slice(-SAMPLES / 4)) - mean(resident.slice(SAMPLES / 4, SAMPLES / 2));
  t.diagnostic(`${JSON.stringify(told)}; heap after a collection ${signed((after.memory - before.memory) / 1024)} KiB, resident memory ${signed(growth / MIB)} MiB from the second to the last quarter`);
  assert.equal(told['wrong'], 0);
  assert.ok(told['killed']! >= (SECONDS * 1000) / PERIOD - 2 && told['calls']! > told['killed']!, 'there was something to kill');
  assert.deepEqual({ ...after, memory: 0, connected: 0, ended: 0 }, { ...before, memory: 0, connected: 0, ended: 0 });
  await until('everything is let go', () => JSON.stringify(holdings(server.pid)) === JSON.stringify(held));
  assert.ok(after.memory - before.memory < MIB, `the heap grew by ${after.memory - before.memory} bytes for ${after.connected - before.connected} clients`);
  assert.ok(growth < RESIDENT_GROWTH, `resident memory grew by ${growth} bytes`);
  await server.ask({ type: 'close' }, 'closed');
});

/** What a process holds that clients bring: descriptors, and mappings of their memory. */
function holdings(pid: number): { descriptors: number; mappings: number } {
  const mappings = readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n').filter((line) => line.includes('/memfd:alpc')).length;
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, mappings };
}

function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}
