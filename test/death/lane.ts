/**
 * A lane: a place where the dialogue is played again and again, and where each time one of its two dies at another kill point.
 * It has a namespace of its own, a client and a server that outlive all of it, and for each dialogue a new process that is to
 * die.
 *
 * What is looked at after each death: that every call of the survivor has settled, as it must and when; that the survivor
 * holds nothing more than before; that a server goes on serving; that a dead server's name can be taken at once.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindPortNameSync } from '../../src/objects/index.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { connectPort, createPortSync } from '../../src/ports/index.js';
import { nameOf } from '../process/expect.js';
import { Actor } from '../support/processes.js';
import { namesIn } from '../support/root.js';
import { clock, type Form, type Half, type Step } from './dialogue.js';
import type { News, Order, Play } from './dialogue-actor.js';

/** How a dialogue is played: whose points are counted, in which forms, and whether anybody looks before he sleeps. */
export interface Setting {
  readonly half: Half;
  readonly form: Form;
  readonly otherForm: Form;
  readonly spin: boolean;
}

/** One death: of the one whose points are counted, or of the other while it stands at its point. */
export interface Death extends Setting {
  readonly at: string;
  readonly dies: 'itself' | 'the other';
}

export interface Result {
  readonly reached: boolean;
  /** Milliseconds from the death until each call of the survivor that was outstanding settled. */
  readonly delays: number[];
  /** The same until this process heard of the death from the kernel: how busy the machine is. */
  readonly heard: number;
}

type Player = Actor<Order, News>;

interface Played {
  /** What the survivor told. */
  readonly steps: readonly Step[];
  readonly left: string;
  /** When the other died, if it did. */
  readonly died: number | undefined;
  readonly survivor: Half;
  /** What the other passed, if it did not die. */
  readonly trace?: string[];
}

const NAME = '\\RPC Control\\dialogue';
const HOUR = 3_600_000;
const MODULE = new URL('./dialogue-actor.js', import.meta.url);

const otherHalf = (half: Half): Half => (half === 'client' ? 'server' : 'client');

export class Lane {
  readonly #holder = mkdtempSync(join(tmpdir(), 'alpc-death-'));
  readonly #root = join(this.#holder, 'root');
  readonly #survivors: Record<Half, Player>;
  #next: Player | undefined;
  #survivorsHavePlayed = false;

  constructor() {
    mkdirSync(this.#root, { mode: 0o700 });
    this.#survivors = { client: this.#start(), server: this.#start() };
  }

  /** Plays without a death. What the one whose points are counted passed: as a new process, and as one that has played before. */
  async rehearse(setting: Setting): Promise<{ fresh: string[]; again: string[] }> {
    await this.#prepare();
    const traces: string[][] = [];
    for (const subject of [await this.#newcomer(), this.#survivors[setting.half]]) {
      this.#leaveDeadName(setting.half);
      const { trace } = await this.#play({ ...setting, at: 'nowhere', dies: 'itself' }, subject, this.#survivors[otherHalf(setting.half)]);
      traces.push(trace!);
      if (subject !== this.#survivors[setting.half]) await subject.kill();
    }
    return { fresh: traces[0]!, again: traces[1]! };
  }

  /** @throws AssertionError that says what was not as it must be */
  async kill(death: Death): Promise<Result> {
    await this.#prepare();
    const newcomer = await this.#newcomer();
    this.#next = this.#start(); // gets ready meanwhile
    const heard = newcomer.gone.then(clock);
    const subject = death.dies === 'itself' ? newcomer : this.#survivors[death.half];
    const other = death.dies === 'itself' ? this.#survivors[otherHalf(death.half)] : newcomer;
    this.#leaveDeadName(death.half);
    const { steps, left, died, survivor } = await this.#play(death, subject, other);
    assert.equal(left, '', 'the survivor holds nothing more than before');
    await newcomer.kill();
    this.#takeName();
    if (died === undefined) return { reached: false, delays: [], heard: 0 };
    const stage = death.at.slice(0, death.at.indexOf(':'));
    checkOutcomes(steps, survivor, died, stage);
    return { reached: true, delays: delaysOf(steps, died), heard: (await heard) - died };
  }

  async close(): Promise<void> {
    await Promise.all([this.#survivors.client.kill(), this.#survivors.server.kill(), this.#next?.kill()]);
    rmSync(this.#holder, { recursive: true });
  }

  /** What the survivors make once and keep is made. */
  async #prepare(): Promise<void> {
    if (this.#survivorsHavePlayed) return;
    this.#survivorsHavePlayed = true;
    const { client, server } = this.#survivors;
    await Promise.all([client.until('ready'), server.until('ready')]);
    const setting: Setting = { half: 'client', form: 'awaited', otherForm: 'awaited', spin: false };
    await this.#play({ ...setting, at: 'nowhere', dies: 'itself' }, client, server, false);
  }

  #start(): Player {
    return new Actor<Order, News>(MODULE, [], {}, { watchdog: 10 * HOUR });
  }

  async #newcomer(): Promise<Player> {
    const actor = this.#next ?? this.#start();
    this.#next = undefined;
    await actor.until('ready');
    return actor;
  }

  /** The dialogue, until the one who outlives it has played. */
  async #play(death: Death, subject: Player, other: Player, look = true): Promise<Played> {
    const { half, form, otherForm, spin, dies } = death;
    const common = { root: this.#root, name: NAME, spin };
    const own: Play = {
      type: 'play', look: look && subject === this.#survivors[half], at: death.at,
      part: { ...common, half, form, leads: true },
      ...(dies === 'itself' ? {} : { victim: other.pid, wait: Math.random() < 0.5 }),
    };
    const others: Play = { type: 'play', look: look && dies === 'itself', part: { ...common, half: otherHalf(half), form: otherForm, leads: false } };
    const server = half === 'server' ? subject : other;
    const client = half === 'server' ? other : subject;
    const survivor = dies === 'itself' ? other : subject;
    const victim = dies === 'itself' ? subject : other;
    server.send(half === 'server' ? own : others);
    const listens = await Promise.race([server.until('listening').then(() => true, () => false), server.gone.then(() => false)]);
    if (!listens) {
      // It died before it had a name that a client could find: there is nobody whose calls could be looked at.
      return { steps: [], left: '', died: deathIn(server.output), survivor: otherHalf(half) };
    }
    client.send(half === 'server' ? others : own);
    const playing = survivor.until('played');
    const lived = victim.until('played').then(({ trace }) => trace, () => undefined);
    await Promise.race([playing, lived]);
    if (survivor === server) await this.#witness(playing);
    const { steps, left, died } = await playing;
    // A server that was to die and did not come to its point waits for a witness: it is ended by the caller.
    const trace = victim === server && half === 'client' ? undefined : await lived;
    return { steps, left, died: dies === 'itself' ? deathIn(victim.output) : died, survivor: survivor === server ? 'server' : 'client', ...(trace === undefined ? {} : { trace }) };
  }

  /** A server goes on being served when one of its clients has died; this one it waits for. */
  async #witness(playing: Promise<unknown>): Promise<void> {
    const connecting = connectPort(NAME, { root: this.#root, data: 'witness' });
    try {
      const port = await Promise.race([connecting, playing.then(() => undefined)]);
      if (port === undefined) return void connecting.then((late) => late.close(), () => {});
      assert.equal((await port.request('are you alive')).data.toString(), 'alive');
      port.close();
    } catch (error) {
      // It was about to close its port anyway.
      if (!['ERR_ALPC_NAME_NOT_FOUND', 'ERR_ALPC_DISCONNECTED'].includes(nameOf(error))) throw error;
    }
  }

  /** For a server to take over. */
  #leaveDeadName(half: Half): void {
    if (half === 'server') closeDescriptor(bindPortNameSync(NAME, { root: this.#root }).fd);
  }

  /** Nobody waits for a dead server's name, and nothing else of it is there. */
  #takeName(): void {
    createPortSync(NAME, { root: this.#root, timeout: 0 }).closeSync();
    assert.deepEqual(namesIn(this.#root), []);
  }
}

/** When it said that it dies. */
function deathIn(output: string): number | undefined {
  const found = /^died at ([\d.]+)$/m.exec(output);
  return found === null ? undefined : Number(found[1]);
}

/** What may become of a client's and a server's calls when the other dies. */
const OUTCOMES: Record<Half, Record<string, RegExp>> = {
  client: {
    connect: /^(done|ERR_ALPC_DISCONNECTED|ERR_ALPC_NAME_NOT_FOUND)$/,
    outstanding: /^(ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED|ERR_ALPC_CANCELED)$/,
    send: /^(done|ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED)$/,
    share: /^(done|seen|read|ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED|ERR_ALPC_CLOSED)$/,
    call: /^(answer|ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED)$/,
    receive: /^(request|datagram|canceled|port-closed: (died|disconnected)|ERR_ALPC_DISCONNECTED)$/,
    reply: /^(sent|canceled|disconnected)$/,
    after: /^ERR_ALPC_DISCONNECTED$/,
    leave: /^done$/,
  },
  server: {
    create: /^done$/,
    accept: /^(accepted|gone)$/,
    share: /^(sent|canceled|disconnected|ERR_ALPC_CLOSED|ERR_ALPC_DISCONNECTED)$/,
    outstanding: /^(ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED|ERR_ALPC_CANCELED)$/,
    send: /^(done|ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED)$/,
    call: /^(answer of the client|ERR_ALPC_MESSAGE_LOST|ERR_ALPC_DISCONNECTED)$/,
    reply: /^(sent|canceled|disconnected)$/,
    told: /^(died|disconnected)$/,
    leave: /^done$/,
  },
};

function checkOutcomes(steps: readonly Step[], survivor: Half, died: number, stage: string): void {
  const text = JSON.stringify(steps);
  for (const step of steps) assert.match(step.outcome, OUTCOMES[survivor][step.stage]!, `${step.stage}: ${text}`);
  // Who is killed before it takes its leave has not said goodbye: the one that ends a connection does so in that stage alone.
  for (const { outcome } of steps.filter(({ stage: at, outcome }) => at === 'told' || outcome.startsWith('port-closed'))) {
    if (stage !== 'leave') assert.match(outcome, /^(port-closed: )?died$/, text);
  }
  // What was outstanding when the other died is lost; if it had said goodbye before, it is disconnected; if this side did, canceled.
  steps.forEach((step, index) => {
    if (step.stage !== 'outstanding' || step.began > died || stage === 'leave') return;
    const hadLeft = steps.slice(0, index).some((earlier) => earlier.stage === 'leave');
    assert.ok(step.outcome === 'ERR_ALPC_MESSAGE_LOST' || (hadLeft && step.outcome === 'ERR_ALPC_CANCELED'), text);
  });
  // Once a call has told that the other is gone, all do.
  const told = steps.findIndex(({ stage: at, outcome }) => at !== 'outstanding' && at !== 'connect' && /LOST|DISCONNECTED/.test(outcome));
  if (told < 0) return;
  for (const step of steps.slice(told + 1)) {
    if (['call', 'send', 'after'].includes(step.stage)) assert.equal(step.outcome, 'ERR_ALPC_DISCONNECTED', text);
  }
}

/** Of calls that settled after the death; a server's wait for messages of anybody is not noted as a step. */
function delaysOf(steps: readonly Step[], died: number): number[] {
  return steps.filter(({ stage, settled }) => stage !== 'leave' && stage !== 'accept' && settled > died).map(({ began, settled }) => settled - Math.max(began, died));
}
