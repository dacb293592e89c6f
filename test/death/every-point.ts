/**
 * Death at every kill point of one half's life: of the one who stands at it, and of the other. Three times for each group of
 * points that are alike (point-classes.ts); with ALPC_KILLS (`npm run test:kill`) at each point, and so many times in each
 * class that makes a difference to anybody.
 *
 * A call must settle within 100 ms of the death. On a machine that is so busy that this process itself hears of a death late,
 * it has 100 ms from then; and a death after which a call was late is tried again.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from '../support/at-end.js';
import type { Form, Half } from './dialogue.js';
import { type Death, Lane, type Setting } from './lane.js';
import { classesOf, groupsOf, isWatchful } from './point-classes.js';

const KILLS = Number(process.env['ALPC_KILLS'] ?? 3);
const SHORT = KILLS <= 3;
const SETTLED_WITHIN = 100;
/** A machine may be so busy that every sixth call is late; a library that is late is late each time. */
const TRIES = 10;
const PAUSE = 200;
/** Points of a group that are tried when nobody comes to the first. */
const ALTERNATIVES = 4;
const PATIENCE = 30_000;
const FORMS: Form[] = ['blocking', 'awaited'];

export async function dieAtEveryPoint(t: TestContext, half: Half): Promise<void> {
  const lanes = Array.from({ length: Math.min(4, availableParallelism()) }, () => new Lane());
  for (const lane of lanes) atEnd(t, () => lane.close());
  const deaths = await choose(lanes[0]!, half);
  const tallies = { itself: new Tally(), 'the other': new Tally() };
  const ends = await Promise.allSettled(lanes.map(async (lane) => {
    try {
      for (let next = deaths.pop(); next !== undefined; next = deaths.pop()) tallies[next[0]!.dies].add(next[0]!, await dieAtOneOf(lane, next));
    } finally {
      deaths.length = 0; // after a failure the other lanes come to an end too
    }
  }));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  for (const [dies, tally] of Object.entries(tallies)) {
    t.diagnostic(`${dies === 'itself' ? `the ${half}` : `the other while the ${half} stood there`}: ${tally}`);
    if (dies === 'itself') assert.deepEqual(tally.missedStages(), [], 'somebody died in each stage');
    assert.ok(tally.reached > tally.missed * 4, `most points are come to: ${tally}`);
  }
}

/** Which deaths to die, in a random order: in each setting one of each group, or all of each class. Of several that are one, one is enough. */
async function choose(lane: Lane, half: Half): Promise<Death[][]> {
  const deaths: Death[][] = [];
  for (const setting of settings(half)) {
    const { fresh, again } = await lane.rehearse(setting);
    const wanted = (points: readonly string[]): boolean => !SHORT || setting.spin || !points[0]!.startsWith('share'); // in the short form they share in one setting only
    deaths.push(...pointsOf(fresh, wanted).map((points) => points.map((at) => ({ ...setting, at, dies: 'itself' as const }))));
    const watched = again.filter((point) => !point.startsWith('create')); // before, there is no other
    deaths.push(...pointsOf(watched, (points) => wanted(points) && isWatchful(points)).map((points) => points.map((at) => ({ ...setting, at, dies: 'the other' as const }))));
  }
  return shuffled(deaths);
}

function pointsOf(trace: readonly string[], matters: (points: readonly string[]) => boolean = () => true): string[][] {
  if (SHORT) return groupsOf(trace).filter(matters).map((points) => shuffled(points).slice(0, ALTERNATIVES));
  return classesOf(trace).flatMap(({ points }) => Array.from({ length: Math.max(points.length, Math.ceil(KILLS / SETTINGS_OF_A_FORM)) }, (_, kill) => [points[kill % points.length]!]));
}

function shuffled<T>(items: readonly T[]): T[] {
  return items.map((item) => ({ item, key: Math.random() })).toSorted((a, b) => a.key - b.key).map(({ item }) => item);
}

/** With both forms of the other, looking and not. */
const SETTINGS_OF_A_FORM = 4;

function settings(half: Half): Setting[] {
  const all = FORMS.flatMap((form) => FORMS.flatMap((otherForm) => [false, true].map((spin) => ({ half, form, otherForm, spin }))));
  if (!SHORT) return all;
  const [form, otherForm] = [FORMS[Math.round(Math.random())]!, FORMS[Math.round(Math.random())]!];
  return [...all.filter((setting) => setting.form !== setting.otherForm && !setting.spin), { half, form, otherForm, spin: true }];
}

/** The delays after the first of these deaths to whose point somebody came. */
async function dieAtOneOf(lane: Lane, deaths: readonly Death[]): Promise<number[] | undefined> {
  for (const death of deaths) {
    const delays = await die(lane, death);
    if (delays !== undefined) return delays;
  }
  return undefined;
}

/** Dies this death, again if a call was late; all delays. Undefined when nobody came to its point. */
async function die(lane: Lane, death: Death): Promise<number[] | undefined> {
  const all: number[] = [];
  for (let tries = 1; ; tries++) {
    const { reached, delays, heard } = await soon(lane.kill(death)).catch((error: Error) => {
      throw new Error(`${JSON.stringify(death)}: ${error.message}`, { cause: error });
    });
    if (!reached) return undefined;
    all.push(...delays);
    const latest = Math.max(0, ...delays);
    if (latest <= SETTLED_WITHIN + Math.max(0, heard)) return all;
    assert.ok(tries < TRIES, `${JSON.stringify(death)}: each of ${tries} times a call settled late, last ${latest} ms after the death`);
    await sleep(PAUSE);
  }
}

/** A survivor that never settles is a failure and not a wait. */
async function soon<T>(result: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the survivor has not settled after ${PATIENCE / 1000} s`)), PATIENCE);
  });
  try {
    return await Promise.race([result, never]);
  } finally {
    clearTimeout(timer);
  }
}

/** What came of all deaths. */
class Tally {
  reached = 0;
  missed = 0;
  readonly #stages = new Map<string, number>();
  readonly #delays: number[] = [];

  add({ at }: Death, delays: number[] | undefined): void {
    const stage = at.slice(0, at.indexOf(':'));
    this.#stages.set(stage, (this.#stages.get(stage) ?? 0) + (delays === undefined ? 0 : 1));
    if (delays === undefined) this.missed++;
    else this.reached++;
    this.#delays.push(...(delays ?? []));
  }

  missedStages(): string[] {
    return [...this.#stages].filter(([, count]) => count === 0).map(([stage]) => stage);
  }

  toString(): string {
    const sorted = this.#delays.toSorted((a, b) => a - b);
    const quantile = (part: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
    const stages = [...this.#stages].map(([stage, count]) => `${stage} ${count}`).join(', ');
    return `${this.reached} deaths (${stages}), ${this.missed} points not come to; ${sorted.length} calls settled after ${quantile(0.5)} ms (median), ${quantile(0.99)} (99 %), ${quantile(1)} (longest), ${sorted.filter((delay) => delay > SETTLED_WITHIN).length} of them late and tried again`;
  }
}
