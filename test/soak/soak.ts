/**
 * The soak: a server and a client, each in a process of its own, exchange any number of messages over one connection, in phases
 * of every kind (traffic.ts). It fails when a message is lost, doubled or out of order, when nothing moves for a while (then it
 * says what both rings and all queues look like), and when the memory, descriptors or mappings of either process grow.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Actor } from '../support/processes.js';
import type { News, Order } from './soak-actor.js';
import { ASKING, Chance, messagesOf, type Phase, POSTING, TAKING } from './traffic.js';
import { controlPagesOf, watch, whereabouts } from './watchdog.js';

export interface SoakOptions {
  readonly messages: number;
  readonly seed: number;
  /** Milliseconds without any progress that are a hang. */
  readonly patience: number;
  readonly onRound?: (figures: Round) => void;
  /** A phase is about to begin; for tests that disturb it. */
  readonly onPhase?: (phase: Phase, actors: readonly SoakActor[]) => void;
}

/** What the processes hold after a stretch of traffic, server first. */
export interface Round {
  readonly messages: number;
  readonly seconds: number;
  readonly heap: readonly number[];
  readonly resident: readonly number[];
  readonly descriptors: readonly number[];
  readonly mappings: readonly number[];
}

export type SoakActor = Actor<Order, News>;

const NAME = '\\RPC Control\\soak';
/** Messages of a round, at most; each kind of phase has its share. */
const ROUND = 2_000_000;
/** Rounds before the first figures that later ones are held against: code is compiled, pools fill up. */
const WARM_UP = 3;
const MAX_HEAP_GROWTH = 2 * 2 ** 20;
const MAX_RESIDENT_GROWTH = 48 * 2 ** 20;

/** Runs it; the figures of all rounds. @throws Error that says what went wrong */
export async function soak(options: SoakOptions): Promise<Round[]> {
  const holder = mkdtempSync(join(tmpdir(), 'alpc-soak-'));
  const root = join(holder, 'root');
  mkdirSync(root, { mode: 0o700 });
  const start = (role: string, seed: number): SoakActor => new Actor<Order, News>(new URL('./soak-actor.js', import.meta.url), [role, NAME, String(seed)], { ALPC_ROOT: root }, { watchdog: 2 ** 31 - 1 });
  const actors: SoakActor[] = [];
  try {
    for (const [index, role] of ['server', 'client'].entries()) {
      actors.push(start(role, options.seed + index));
      await actors[index]!.until('ready');
    }
    return await run(actors, options);
  } finally {
    await Promise.all(actors.map((actor) => actor.finish()));
    rmSync(holder, { recursive: true, force: true });
  }
}

async function run(actors: readonly SoakActor[], { messages, seed, patience, onRound, onPhase }: SoakOptions): Promise<Round[]> {
  const [server, client] = actors as [SoakActor, SoakActor];
  const chance = new Chance(seed);
  const rounds: Round[] = [];
  const begun = performance.now();
  let hang: (error: Error) => void;
  const hung = new Promise<never>((_, reject) => (hang = reject));
  hung.catch(() => {}); // told by whoever waits in the race
  const describeHang = (): void => void describe(actors).then((text) => hang(new Error(`nothing moved for ${patience} ms\n${text}`)), (error: Error) => hang(error));
  const stop = watch([client.pid, server.pid], NAME, patience, describeHang, (error) => hang(error));
  try {
    let done = 0;
    for (let phase = 1; done < messages; ) {
      const target = Math.min(messages, done + ROUND);
      const size = target - done;
      for (const kind of shuffled(kindsOf(size), chance)) {
        const next = { ...kind, number: phase++ };
        onPhase?.(next, actors);
        await Promise.race([client.ask({ type: 'run', phase: next }, 'ran'), server.ended.then(() => Promise.reject(new Error(`the server ended: ${server.output}`))), hung]);
        done += messagesOf(next);
      }
      rounds.push(await measure(actors, done, (performance.now() - begun) / 1000));
      onRound?.(rounds.at(-1)!);
    }
  } finally {
    stop();
  }
  checkFlat(rounds);
  await client.ask({ type: 'close' }, 'closed');
  await server.ask({ type: 'close' }, 'closed');
  assert.deepEqual(await Promise.all(actors.map((actor) => actor.ended)), actors.map(() => ({ code: 0, signal: null })));
  return rounds;
}

/** All kinds of traffic, with so many messages together. */
function kindsOf(size: number): Omit<Phase, 'number'>[] {
  const kinds: (Omit<Phase, 'number' | 'count'> & { share: number })[] = [];
  for (const from of ['client', 'server'] as const) {
    for (const take of TAKING) {
      for (const send of POSTING) kinds.push({ from, send, take, share: 10 });
      for (const send of ASKING) kinds.push({ from, send, take, share: send === 'request' ? 3 : 2 });
    }
  }
  // Both block while the other blocks would be a circle of the test's own.
  for (const take of TAKING) if (take !== 'receiveSync') kinds.push({ from: 'both', send: 'post', take, share: 10 });
  const all = kinds.reduce((sum, { share }) => sum + share, 0);
  return kinds.map(({ share, ...kind }) => {
    const wanted = (size * share) / all;
    return { ...kind, count: Math.max(1, Math.round(messagesOf({ ...kind, number: 0, count: 1 }) === 2 ? wanted / 2 : wanted)) };
  });
}

function shuffled<T>(items: T[], chance: Chance): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = chance.next(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

async function measure(actors: readonly SoakActor[], messages: number, seconds: number): Promise<Round> {
  const heap: number[] = [];
  for (const actor of actors) heap.push((await actor.ask({ type: 'measure' }, 'measured')).heap);
  const of = <T>(look: (pid: number) => T): T[] => actors.map(({ pid }) => look(pid));
  return {
    messages,
    seconds,
    heap,
    resident: of((pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024),
    descriptors: of((pid) => readdirSync(`/proc/${pid}/fd`).length),
    mappings: of((pid) => readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').filter((line) => line.includes('/memfd:alpc')).length),
  };
}

/** What a process holds after the warm-up it holds at the end. */
function checkFlat(rounds: readonly Round[]): void {
  const [first, last] = [rounds[Math.min(WARM_UP, rounds.length - 1)]!, rounds.at(-1)!];
  for (const [index, who] of ['server', 'client'].entries()) {
    const grown = (of: 'heap' | 'resident'): number => last[of][index]! - first[of][index]!;
    assert.ok(grown('heap') <= MAX_HEAP_GROWTH, `the ${who}'s heap grew by ${grown('heap')} bytes in ${last.messages - first.messages} messages`);
    assert.ok(grown('resident') <= MAX_RESIDENT_GROWTH, `the ${who}'s resident memory grew by ${grown('resident')} bytes in ${last.messages - first.messages} messages`);
    for (const of of ['descriptors', 'mappings'] as const) assert.equal(last[of][index], rounds[0]![of][index], `the ${who}'s ${of}`);
  }
}

/** Both rings' words, the queues as far as the processes can still tell, and where they are. */
async function describe(actors: readonly SoakActor[]): Promise<string> {
  const lines: string[] = [];
  for (const [index, role] of ['server', 'client'].entries()) {
    const actor = actors[index]!;
    lines.push(`the ${role}, pid ${actor.pid}: ${whereabouts(actor.pid)}`);
    for (const words of controlPagesOf(actor.pid, NAME)) lines.push(`  a control page that it has mapped: ${JSON.stringify(words)}`);
    actor.send({ type: 'report' });
    const told = await Promise.race([actor.until('queues').then(({ queues }) => String(queues)), sleep(1000).then(() => 'its event loop does not turn')]);
    lines.push(`  its queues: ${told}`);
  }
  return lines.join('\n');
}
