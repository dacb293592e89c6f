/**
 * One half of the dialogue (dialogue.ts) as a process. It plays its part by order, as often as it is told; at the point that
 * an order names it dies, or the other dies and it goes on. When it has played it looks after what was left behind.
 */
import { readFileSync, writeSync } from 'node:fs';
import { obey, tell } from '../support/actor.js';
import { clock, type Part, play, type Step } from './dialogue.js';
import { KillPoints } from './kill-points.js';

export interface Play {
  readonly type: 'play';
  readonly part: Part;
  readonly at?: string;
  /** Whom to kill there, and whether to wait until it is gone; itself by default. */
  readonly victim?: number;
  readonly wait?: boolean;
  /** Whether to look for what was left behind. Not the first time: a thread has things that it makes once and keeps. */
  readonly look: boolean;
}
export type Order = Play;
export type News =
  | { type: 'ready' }
  | { type: 'listening' }
  /** `died`: when it killed the other. */
  | { type: 'played'; steps: Step[]; trace: string[]; died?: number; left: string };

const points = new KillPoints();

obey<Order>({
  play: async ({ part, at, victim, wait, look }) => {
    const lookAround = look ? await startLooking() : undefined;
    const ear = { stage: (name: string) => void (points.stage = name), listening: () => tell<News>({ type: 'listening' }) };
    const death: { at?: number } = {};
    points.begin(at === undefined ? undefined : { at, act: () => (victim === undefined ? die() : (death.at = kill(victim, wait === true))) });
    const steps = await play(part, ear);
    const trace = points.end();
    tell<News>({ type: 'played', steps, trace, left: (await lookAround?.()) ?? '', ...(death.at === undefined ? {} : { died: death.at }) });
  },
});
tell<News>({ type: 'ready' });

/** Tells the moment of its death with its last breath. */
function die(): void {
  writeSync(1, `died at ${clock()}\n`);
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

function kill(pid: number, wait: boolean): number {
  const at = clock();
  process.kill(pid, 'SIGKILL');
  if (!wait) return at;
  while (!isGone(pid));
  return clock();
}

function isGone(pid: number): boolean {
  try {
    return /\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

/** Loaded by those who live long enough to look: it takes as long to load as all the rest. */
async function startLooking(): Promise<() => Promise<string>> {
  const { settle, takeStock } = await import('../support/ledger.js');
  const before = takeStock();
  return () => settle(before, { except: ['resources'] }).then(() => '', (error: Error) => error.message); // the channel to the test comes and goes as Node likes
}
