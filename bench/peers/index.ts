/**
 * All peers, what each takes part in, and how to load it: only the process that measures it does, so that no peer carries the
 * others' code along.
 */
import type { Peer, ScenarioName } from '../peer.js';

export interface PeerEntry {
  readonly name: string;
  readonly scenarios: readonly ScenarioName[];
  load(): Promise<Peer>;
}

export const PEERS = [
  {
    name: 'net echo',
    scenarios: ['round trip', 'unpinned', 'asleep', 'connect', 'garbage', 'idle', 'in flight'],
    load: async () => (await import('./net-echo.js')).peer,
  },
  {
    name: 'net framed',
    scenarios: ['round trip', 'unpinned', 'one way', 'in flight'],
    load: async () => (await import('./net-framed.js')).each,
  },
  {
    name: 'net framed, corked',
    scenarios: ['one way'],
    load: async () => (await import('./net-framed.js')).corked,
  },
  {
    name: 'net framed, copied together',
    scenarios: ['one way'],
    load: async () => (await import('./net-framed.js')).copied,
  },
  {
    name: 'child_process advanced',
    scenarios: ['round trip', 'asleep', 'one way', 'garbage'],
    load: async () => (await import('./child-process.js')).advanced,
  },
  {
    name: 'child_process json',
    scenarios: ['round trip', 'one way', 'garbage'],
    load: async () => (await import('./child-process.js')).json,
  },
  {
    name: 'MessagePort (thread)',
    scenarios: ['round trip', 'asleep', 'one way', 'in flight', 'garbage'],
    load: async () => (await import('./message-port.js')).peer,
  },
  {
    name: 'zeromq',
    scenarios: ['round trip', 'asleep', 'one way', 'in flight', 'garbage'],
    load: async () => (await import('./zeromq.js')).peer,
  },
  {
    name: 'grpc-js',
    scenarios: ['round trip', 'asleep', 'in flight', 'download', 'garbage'],
    load: async () => (await import('./grpc.js')).peer,
  },
  {
    name: 'net JSON',
    scenarios: ['round trip', 'in flight', 'garbage'],
    load: async () => (await import('./net-json.js')).peer,
  },
  {
    name: 'synckit (thread)',
    scenarios: ['round trip', 'asleep', 'garbage'],
    load: async () => (await import('./synckit.js')).peer,
  },
  {
    name: 'net, many bytes',
    scenarios: ['large'],
    load: async () => (await import('./large-net.js')).peer,
  },
  {
    name: 'child_process advanced, many bytes',
    scenarios: ['large'],
    load: async () => (await import('./large-child-process.js')).peer,
  },
  {
    name: 'MessagePort (thread), transferred',
    scenarios: ['large'],
    load: async () => (await import('./large-message-port.js')).peer,
  },
  {
    name: 'alpc views',
    scenarios: ['large'],
    load: async () => (await import('./large-alpc.js')).peer,
  },
  {
    name: 'alpc blocking, receiveSync',
    scenarios: ['round trip', 'unpinned', 'asleep', 'garbage'],
    load: async () => (await import('./alpc.js')).alpcPeer('blocking', 'receiveSync'),
  },
  {
    name: 'alpc blocking, on',
    scenarios: ['round trip', 'unpinned', 'asleep', 'connect'],
    load: async () => (await import('./alpc.js')).alpcPeer('blocking', 'on'),
  },
  {
    name: 'alpc blocking, for await',
    scenarios: ['round trip', 'asleep'],
    load: async () => (await import('./alpc.js')).alpcPeer('blocking', 'for await'),
  },
  {
    name: 'alpc awaited, on',
    scenarios: ['round trip', 'unpinned', 'asleep', 'one way', 'taking', 'in flight', 'connect', 'garbage', 'idle'],
    load: async () => (await import('./alpc.js')).alpcPeer('awaited', 'on'),
  },
  {
    name: 'alpc awaited, for await',
    scenarios: ['round trip', 'asleep', 'taking', 'in flight'],
    load: async () => (await import('./alpc.js')).alpcPeer('awaited', 'for await'),
  },
  {
    name: 'alpc awaited, receiveSync',
    scenarios: ['round trip', 'asleep', 'one way', 'in flight'],
    load: async () => (await import('./alpc.js')).alpcPeer('awaited', 'receiveSync'),
  },
  {
    name: 'alpc awaited, completion list',
    scenarios: ['one way', 'taking'],
    load: async () => (await import('./alpc.js')).alpcPeer('awaited', 'completion list'),
  },
  {
    name: 'alpc pool, 1 thread',
    scenarios: ['hash'],
    load: async () => (await import('./pool-alpc.js')).poolPeer(1),
  },
  {
    name: 'alpc pool, 2 threads',
    scenarios: ['hash'],
    load: async () => (await import('./pool-alpc.js')).poolPeer(2),
  },
  {
    name: 'net framed, piscina, 2 threads',
    scenarios: ['hash'],
    load: async () => (await import('./pool-piscina.js')).piscinaPeer(2),
  },
  {
    name: 'alpc completion port',
    scenarios: ['packets'],
    load: async () => (await import('./packets-alpc.js')).peer,
  },
  {
    name: 'rpc blocking',
    scenarios: ['round trip', 'garbage'],
    load: async () => (await import('./rpc.js')).rpcPeer('blocking'),
  },
  {
    name: 'rpc awaited',
    scenarios: ['round trip', 'in flight', 'download', 'garbage', 'large'],
    load: async () => (await import('./rpc.js')).rpcPeer('awaited'),
  },
  {
    name: 'rpc awaited, validated',
    scenarios: ['round trip'],
    load: async () => (await import('./rpc.js')).rpcPeer('validated'),
  },
] as const satisfies readonly PeerEntry[];

/** The baseline in C is no peer that can be started (see baseline/baseline.ts), but its figures stand among theirs. */
export const BASELINE_PEERS = ['C spin', 'C futex'] as const;

export type PeerName = (typeof PEERS)[number]['name'] | (typeof BASELINE_PEERS)[number];

/** The same with types that say what an entry may have, not what each has. */
export const ALL_PEERS: readonly (PeerEntry & { readonly name: PeerName })[] = PEERS;

export function peerNamed(name: string): PeerEntry {
  const peer = ALL_PEERS.find((peer) => peer.name === name);
  if (peer === undefined) throw new Error(`there is no peer '${name}'`);
  return peer;
}
