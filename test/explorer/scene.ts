/** Scenes for the tests of explorer and command: processes that serve, connect and wait. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Actor, type ActorOptions, startActor } from '../support/processes.js';
import type { News, Order } from './scene-actor.js';

export type SceneActor = Actor<Order, News>;

export function startProcess(t: TestContext, options: ActorOptions = {}): SceneActor {
  return startActor<Order, News>(t, new URL('./scene-actor.js', import.meta.url), [], {}, options);
}

export async function startServer(t: TestContext, name: string, options?: ActorOptions, everyone = false): Promise<SceneActor> {
  const server = startProcess(t, options);
  await server.ask({ type: 'serve', name, everyone }, 'ready');
  return server;
}

export async function startClient(t: TestContext, name: string, count = 1, options?: ActorOptions): Promise<SceneActor> {
  const client = startProcess(t, options);
  await client.ask({ type: 'connect', name, count }, 'ready');
  return client;
}

/** Servers that each pass on what comes to the next, blocking, and a client that sets them going: they wait for each other for ever. */
export async function startCircle(t: TestContext, names: readonly string[], before: () => Promise<void> = async () => undefined): Promise<SceneActor[]> {
  const servers: SceneActor[] = [];
  for (const name of names) servers.push(await startServer(t, name));
  for (const [i, server] of servers.entries()) await server.ask({ type: 'passOn', name: names[(i + 1) % names.length]! }, 'ready');
  await before(); // nobody is let in any more from then on
  const starter = await startClient(t, names[0]!);
  await starter.ask({ type: 'post', data: 'go', count: 1 }, 'done');
  return servers;
}

/** Two processes of two threads each: every thread waits for one of the other process, and none can be answered. */
export async function startPair(t: TestContext): Promise<SceneActor[]> {
  const [left, right] = [await startServer(t, '\\RPC Control\\left'), await startServer(t, '\\RPC Control\\right')];
  await Promise.all([
    left.ask({ type: 'thread', name: '\\RPC Control\\left worker', next: '\\RPC Control\\right worker' }, 'ready'),
    right.ask({ type: 'thread', name: '\\RPC Control\\right worker', next: '\\RPC Control\\left' }, 'ready'),
  ]);
  await left.ask({ type: 'passOn', name: '\\RPC Control\\right' }, 'ready');
  await right.ask({ type: 'passOn', name: '\\RPC Control\\left worker' }, 'ready');
  const starter = await startClient(t, '\\RPC Control\\left');
  await starter.ask({ type: 'post', data: 'go', count: 1 }, 'done');
  return [left, right];
}

/** Looks again until it is as it should be; at last what was seen is given, for the test to complain about. */
export async function until<T>(look: () => T, isRight: (seen: T) => boolean, patience = 20_000): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const seen = look();
    if (isRight(seen) || performance.now() > deadline) return seen;
    await sleep(20);
  }
}
