/**
 * Where the hostile ones perform: a port with an honest client, and the promise that every such test keeps.
 *
 *     const stage = await openStage(t);
 *     await stage.survives(async () => {                        // whatever happens in here ...
 *       const peer = stage.peer();
 *       ...
 *       peer.close();
 *       await stage.drops('protocol', /of unknown kind 9/);     // ... and the offender is dropped, with the reason told twice
 *     });
 *
 * The promise: the honest client is answered, a new one is let in and answered, and descriptors, mappings, connections and
 * watches of the process are what they were. The reason is told on `alpc:disconnect` and to the port's owner, by its event
 * `refuse` (who was not let in) or `disconnect` (who was), with the offender as the kernel knows it.
 *
 * Port, honest client and hostile peer live in one process here, so that one ledger sees all; tests in which a process may
 * crash, or belongs to somebody else, bring their own.
 */
import assert from 'node:assert/strict';
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ClientPort, connectPort, type ConnectionPort, type CreatePortOptions, createPort, namespaceRoot } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { settle, takeStock } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { turnsUntil } from '../support/turns.js';
import { HandListener, HandPeer, type PeerOptions } from './peer.js';

export const NAME = '\\RPC Control\\stage';

/** An end or a refusal, as it was told. */
export interface Told {
  readonly reason: string;
  readonly error: Error | undefined;
  readonly pid: number;
  readonly uid: number;
}

export class Stage {
  /** What came on `alpc:disconnect` of the port's side, in its order. */
  readonly traced: Told[] = [];
  /** What the port's owner was told. */
  readonly told: Told[] = [];

  constructor(readonly t: TestContext, readonly path: string, readonly port: ConnectionPort, readonly honest: ClientPort) {}

  peer(options: PeerOptions = {}): HandPeer {
    const peer = HandPeer.client(options);
    atEnd(this.t, () => peer.close());
    return peer;
  }

  /** A peer that has been let in. */
  async guest(options: PeerOptions = {}): Promise<HandPeer> {
    const peer = this.peer(options);
    await peer.greet(this.path);
    return peer;
  }

  /** The promise. Everything that the attack makes it also closes. */
  async survives(attack: () => Promise<void>): Promise<void> {
    const before = takeStock();
    await attack();
    await this.serves();
    await settle(before);
  }

  /** The honest client is answered, and a new one let in and answered. */
  async serves(): Promise<void> {
    assert.equal((await this.honest.request('still there?')).data.toString(), 'still there?');
    const newcomer = await connectPort(NAME);
    assert.equal((await newcomer.request('and for me?')).data.toString(), 'and for me?');
    newcomer.close();
    await turnsUntil(() => this.told.some(({ reason }) => reason === 'disconnected'));
    for (const list of [this.told, this.traced]) list.splice(list.findIndex(({ reason }) => reason === 'disconnected'), 1);
  }

  /** The next one that was dropped was dropped for this reason, and both places tell the same about it. */
  async drops(reason: string, offence?: RegExp, who: { pid: number; uid: number } = { pid: process.pid, uid: process.geteuid!() }): Promise<void> {
    await turnsUntil(() => this.told.length > 0);
    const [told, traced] = [this.told.shift()!, this.traced.shift()!];
    assert.deepEqual(told, traced, 'the owner is told what the channel tells');
    assert.deepEqual([told.reason, told.pid, told.uid], [reason, who.pid, who.uid], String(told.error));
    if (offence === undefined) assert.equal(told.error, undefined);
    else assert.match(String(told.error), offence);
  }
}

/** A port that answers each request with its own words, and an honest client of it. */
export async function openStage(t: TestContext, options: CreatePortOptions = {}): Promise<Stage> {
  const root = temporaryRoot(t);
  const port = await createPort(NAME, options);
  atEnd(t, () => port.close());
  port.on('message', (message) => {
    if (message.type === 'request') message.reply(message.data);
    else if (message.type === 'connection-request') message.accept();
  });
  const honest = await connectPort(NAME);
  atEnd(t, () => honest.close());
  const stage = new Stage(t, join(root, 'RPC Control', 'stage'), port, honest);
  port.on('refuse', (peer, reason, error) => stage.told.push({ reason, error, pid: peer.pid, uid: peer.uid }));
  port.on('disconnect', ({ peer }, reason, error) => stage.told.push({ reason, error, pid: peer.pid, uid: peer.uid }));
  listen(t, 'server', stage.traced);
  await stage.serves(); // and the event loop watches what it will watch
  return stage;
}

/** Notes what is told on `alpc:disconnect` by one side. */
export function listen(t: TestContext, side: 'client' | 'server', list: Told[]): void {
  const listener: ChannelListener = (message) => {
    const { role, reason, error, peer } = message as { role: string; reason: string; error?: Error; peer: { pid: number; uid: number } };
    if (role === side) list.push({ reason, error, pid: peer.pid, uid: peer.uid });
  };
  subscribe('alpc:disconnect', listener);
  atEnd(t, () => unsubscribe('alpc:disconnect', listener));
}

/** The other way round: a name at which a server written by hand listens. */
export function openTrap(t: TestContext, options: { backlog?: number; type?: number } = {}): { path: string; root: string; listener: HandListener; traced: Told[] } {
  const root = temporaryRoot(t, { leftovers: true });
  namespaceRoot();
  const path = join(root, 'RPC Control', 'stage');
  const listener = new HandListener(path, options);
  atEnd(t, () => listener.close());
  const traced: Told[] = [];
  listen(t, 'client', traced);
  return { path, root, listener, traced };
}
