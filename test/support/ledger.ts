/**
 * The ledger: what a test leaves behind fails it.
 *
 *     withLedger();                                       // at the top of a file: each test of it, and each subtest
 *     test('...', (t) => { ledger(t); ... });             // or in one test, before anything is made
 *     withLedger({ except: ['mappings'] });               // where something is known to stay
 *     withLedger({ whole: true });                        // where subtests share what their test has made: each test as a whole
 *
 * It compares, before and after: descriptors of the process, mappings of alpc's memory files, slots of this thread's arena,
 * this thread's connections, descriptors that event loops watch, what keeps the event loop alive, and child processes.
 * Closing is asynchronous, so it looks again for two seconds before it fails. A descriptor that was there before and is
 * gone is told too: somebody closed a number that was not theirs.
 *
 * What Node and alpc open once and keep (the C library, inotify, the thread's wait page) is opened before the first look.
 * Close things in the test itself, by `using`, or by `atEnd` (at-end.ts): `t.after` comes too late. Tests of a file run one
 * after the other; a test that starts others with `concurrency` can't be looked at like this.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, watch } from 'node:fs';
import { afterEach, beforeEach, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { thisThread } from '../../src/ports/thread.js';
import { cleanUp } from './at-end.js';

export type LedgerEntry = 'descriptors' | 'mappings' | 'slots' | 'connections' | 'watches' | 'resources' | 'children';

export interface LedgerOptions {
  /** What is not looked at. */
  except?: readonly LedgerEntry[];
  /** Milliseconds to look again for; 2,000 by default. */
  patience?: number;
  /** Subtests are not looked at, only the test that they belong to. */
  whole?: boolean;
}

/** One line for each thing there is. */
export type Stock = Record<LedgerEntry, string[]>;

/** Every test of this file is looked at. Call it once, at the top. */
export function withLedger(options: LedgerOptions = {}): void {
  const before: (Stock | undefined)[] = []; // of a test, and then of its subtests
  beforeEach(async () => {
    await warmUp();
    before.push(options.whole === true && before.length > 0 ? undefined : takeStock());
  });
  afterEach(async (t) => {
    const stock = before.pop();
    await cleanUp(t as TestContext);
    if (stock !== undefined) await settle(stock, options);
  });
}

/** This one test is looked at. Call it before the test makes anything. */
export function ledger(t: TestContext, options: LedgerOptions = {}): void {
  warmUpNow();
  const stock = takeStock();
  t.after(async () => {
    await cleanUp(t);
    await settle(stock, options);
  });
}

/** Waits until there is nothing that was not there before. For tests that look in their middle, too. */
export async function settle(before: Stock, options: LedgerOptions = {}): Promise<void> {
  const deadline = performance.now() + (options.patience ?? 2000);
  let left = differences(before, takeStock(), options);
  for (let pause = 1; left.length > 0 && performance.now() < deadline; pause = Math.min(2 * pause, 100)) {
    await sleep(pause);
    left = differences(before, takeStock(), options);
  }
  assert.equal(left.length, 0, `the test left the process as it was:\n  ${left.join('\n  ')}`);
}

export function takeStock(): Stock {
  const thread = thisThread();
  const { descriptors, watches } = descriptorsAndWatches();
  return {
    descriptors,
    watches,
    mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).map((line) => line.replace(/^\S+ /, '')),
    slots: Array.from({ length: thread.arena.inUse }, () => 'a slot of the arena'),
    connections: [...thread.connections.values()].flatMap((connections) => Array.from(connections, String)),
    resources: process.getActiveResourcesInfo().filter((name) => !PASSING.has(name)),
    children: childrenOf(process.pid),
  };
}

/** Work of a moment, and this file's own pauses: nothing that can be left behind. */
const PASSING = new Set(['Immediate', 'TickObject', 'CloseReq', 'FSReqPromise', 'FSReqCallback', 'WriteWrap', 'ShutdownWrap']);

function differences(before: Stock, after: Stock, options: LedgerOptions): string[] {
  const lines: string[] = [];
  for (const entry of Object.keys(before) as LedgerEntry[]) {
    if (options.except?.includes(entry) === true) continue;
    for (const line of minus(after[entry], before[entry])) lines.push(`${entry}: left behind: ${line}`);
    if (entry === 'descriptors') for (const line of minus(before[entry], after[entry])) lines.push(`${entry}: closed, but not the test's: ${line}`);
  }
  return lines;
}

function minus(these: readonly string[], those: readonly string[]): string[] {
  const left = [...those];
  return these.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Of what event loops watch only sockets, and epoll descriptors that watch sockets, are of interest: the rest is Node's own and comes when Node likes. */
function descriptorsAndWatches(): { descriptors: string[]; watches: string[] } {
  const targets = new Map<string, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      targets.set(fd, readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // the descriptor of the listing itself
    }
  }
  const watches: string[] = [];
  for (const [fd, target] of targets) {
    if (target !== 'anon_inode:[eventpoll]') continue;
    for (const watched of watchedBy(fd)) watches.push(`${targets.get(watched) ?? 'closed'}, watched by ${fd}`);
  }
  // In a worker what an event loop watches is an epoll descriptor of each watch's own, now and then for a moment not: those count as descriptors.
  const counted = isMainThread ? /^(?:socket:|anon_inode:\[eventpoll\]|closed)/ : /^(?:socket:|closed)/;
  return { descriptors: [...targets.values()], watches: watches.filter((line) => counted.test(line)) };
}

function watchedBy(epoll: string): string[] {
  try {
    return Array.from(readFileSync(`/proc/self/fdinfo/${epoll}`, 'utf8').matchAll(/^tfd:\s+(\d+)/gm), ([, fd]) => fd!);
  } catch {
    return []; // another thread's, which it closed since the listing
  }
}

/** Processes whose parent this process is, with their command. */
function childrenOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(describeProcess);
    } catch {
      return []; // a thread that just ended
    }
  });
}

function describeProcess(pid: string): string {
  try {
    return `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()}`;
  } catch {
    return `process ${pid}`;
  }
}

/** Opens what is opened once and kept. */
function warmUpNow(): void {
  assert.ok(thisThread().waitPage.inode > 0);
  watch('/').close();
}

async function warmUp(): Promise<void> {
  warmUpNow();
  await sleep(0); // what was begun before this test gets a turn of the loop to end
}
