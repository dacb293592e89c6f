/**
 * Where a hostile peer meets the library: a port of the library in this process, with clients written by hand at it,
 * and a server written by hand, with clients of the library. What the library tells about their ends is noted.
 *
 *     const { port, ends, peer } = await serve(t);
 *     const hostile = await peer();                      // greeted, and gone at the end of the test
 *     hostile.set('tail', 4);
 *     await until('it is dropped', () => ends[0] === 'protocol');
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ClientPort, type CommunicationPort, connectPort, type ConnectOptions, type ConnectionPort, createPort, type CreatePortOptions, type ServerPort } from '../../src/index.js';
import type { Connection } from '../../src/ports/connection.js';
import { thisThread } from '../../src/ports/thread.js';
import { atEnd } from '../support/at-end.js';
import { temporaryRoot } from '../support/root.js';
import { HandListener, HandPeer, type PeerOptions } from './peer.js';

export const NAME = '\\RPC Control\\stage';

/** Where the name's socket is. */
export function pathIn(root: string): string {
  return join(root, 'RPC Control', 'stage');
}

export interface Served {
  readonly port: ConnectionPort;
  readonly path: string;
  /** Why connections ended, in their order. */
  readonly ends: string[];
  /** A client written by hand, connected. */
  readonly peer: (options?: PeerOptions) => Promise<HandPeer>;
  /** The server's port for whoever connected last. */
  readonly last: () => ServerPort;
}

export async function serve(t: TestContext, options: CreatePortOptions = {}): Promise<Served> {
  const path = pathIn(temporaryRoot(t));
  const port = await createPort(NAME, options);
  atEnd(t, () => port.close());
  const ends: string[] = [];
  port.on('disconnect', (_, reason) => ends.push(reason));
  return {
    port,
    path,
    ends,
    peer: async (given) => {
      const peer = HandPeer.client(given);
      atEnd(t, () => peer.close());
      await peer.greet(path);
      return peer;
    },
    last: () => port.connections.at(-1)!,
  };
}

export interface ServedByHand {
  readonly path: string;
  readonly listener: HandListener;
  /** A client of the library, and the peer that it is connected to. */
  readonly connect: (options?: ConnectOptions, peer?: PeerOptions) => Promise<[ClientPort, HandPeer]>;
}

export function serveByHand(t: TestContext): ServedByHand {
  const root = temporaryRoot(t, { leftovers: true });
  mkdirSync(join(root, 'RPC Control'), { mode: 0o700 });
  const path = pathIn(root);
  const listener = new HandListener(path);
  atEnd(t, () => listener.close());
  return {
    path,
    listener,
    connect: async (options, given) => {
      const [client, peer] = await Promise.all([connectPort(NAME, options), listener.serve(given)]);
      atEnd(t, () => peer.close());
      atEnd(t, () => client.close());
      return [client, peer];
    },
  };
}

/** The library's own side of a connection of this process: for tests that watch how it looks at its peer's memory. */
export function connectionOf(port: CommunicationPort): Connection {
  for (const connections of thisThread().connections.values()) for (const connection of connections) if (connection.port === port) return connection;
  throw new Error(`${port} has no connection`);
}
