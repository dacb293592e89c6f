/**
 * What is compared: a *peer* is one way to talk between two sides on one machine, be it a socket, a library or alpc itself.
 * A *session* is a peer at work: the other side has been started (a process of its own, or a thread where the peer is about
 * threads) and is connected. Each peer offers what it can do, and the scenarios ask for what they measure; so alpc plugs in
 * exactly as everything that it is held against.
 *
 * Rules of fairness, which each peer's file keeps:
 * - tuned as its own documentation advises, and no further than a user of its public API can;
 * - the answer holds the bytes of the question, or their hash where that is the work (the scenarios check it), and each message reaches a handler of its own;
 * - what is one-way is counted by the receiver, and a burst is over when the receiver says that it has counted all.
 */

export const SCENARIO_NAMES = ['round trip', 'unpinned', 'asleep', 'one way', 'taking', 'in flight', 'connect', 'garbage', 'idle', 'hash', 'large', 'download', 'packets'] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** What a peer's own call gives: the bytes, or a message that holds them. No wrapper stands in what is measured. */
export type Answer = Uint8Array | { readonly data: Uint8Array };

export function bytesOf(answer: Answer): Uint8Array {
  return answer instanceof Uint8Array ? answer : answer.data;
}

export interface Session {
  /** One call: its answer. May be called again before the first has been answered, unless `oneAtATime`. */
  echo?(data: Buffer): Promise<Answer>;
  readonly oneAtATime?: true;
  /** The same, blocking the calling thread until the answer is there. */
  echoSync?(data: Buffer): Answer;
  /** Sends `data` `count` times one way; resolves once the receiver has counted them all, rejects if it counted otherwise. */
  burst?(count: number, data: Buffer): Promise<void>;
  /** Sends `data` `count` times while the receiver holds still; the milliseconds that it then takes until it has counted them all. */
  waiting?(count: number, data: Buffer): Promise<number>;
  /** Has the server stream `data` `count` times; how many items came. */
  download?(count: number, data: Buffer): Promise<number>;
  /** Connects once more, is accepted, and closes. */
  connectOnce?(): Promise<void>;
  /** What is too large for a message; see scenarios/large.ts. */
  readonly large?: LargeTransfers;
  /** Packets among threads; see scenarios/packets.ts. */
  readonly packets?: { readonly comeAndGo: (count: number) => Promise<PacketFigures>; readonly withPauses: (count: number) => Promise<PacketFigures> };
  /** Where `Peer.hold` of another process can connect to. */
  readonly address?: string;
  /** The other side, where it is a process. */
  readonly server?: ServerProcess;
  close(): Promise<void>;
}

/** Transfers of many bytes. In each the sender writes them and the receiver looks at them as it is said. */
export interface LargeTransfers {
  /** Sends so many messages of 1 MiB, each filled anew; resolves once the receiver has read every byte of all. */
  readonly stream?: (count: number) => Promise<void>;
  /** 1 MiB there and back, in one call. */
  readonly echo?: () => Promise<void>;
  /** 256 MiB, handed to the receiver, which looks at the first and the last byte, and answers. */
  readonly pass?: () => Promise<void>;
  /** A call of 64 bytes of the same peer, to compare with. */
  readonly small?: () => Promise<void>;
}

/** What became of packets: how many never came, or more than once; threads that came, and at most so many more at work than may be; sleeps that were ended. */
export interface PacketFigures {
  readonly lost: number;
  readonly doubled: number;
  readonly threads: number;
  readonly tooMany: number;
  readonly sleeps: number;
}

export interface ServerProcess {
  readonly pid: number;
  /** Microseconds of CPU, user and system, that the server has used so far: by its own word. */
  cpuMicroseconds(): Promise<number>;
  end(): Promise<void>;
}

export interface Peer {
  /** Starts the other side and connects to it. The scenario is told, as some peers have a socket type for each pattern. */
  start(scenario: ScenarioName): Promise<Session>;
  /** Opens `count` connections from this process and keeps them, doing nothing, until the process ends. */
  hold?(address: string, count: number): Promise<void>;
}

/** What one job reports: a number with its place in the tables. */
export interface Measured {
  /** '64 B', '8 in flight' */
  readonly case: string;
  /** 'median', 'p99', 'per second' */
  readonly metric: string;
  readonly value: number;
}

/** How long to look, in one place. */
export interface Pace {
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Calls with a pause before each. */
  readonly sleepyCalls: number;
  readonly idleConnections: number;
  readonly idleMs: number;
  /** Until what connecting has left behind (collections, timers) is over. */
  readonly settleMs: number;
  /** Messages with a pause of any length before each. */
  readonly pausedMessages: number;
}

export const PACES: { readonly full: Pace; readonly quick: Pace } = {
  full: { warmUpMs: 1000, measureMs: 250, sleepyCalls: 100, idleConnections: 10_000, idleMs: 5000, settleMs: 1500, pausedMessages: 1_000_000 },
  quick: { warmUpMs: 100, measureMs: 100, sleepyCalls: 30, idleConnections: 1000, idleMs: 1000, settleMs: 500, pausedMessages: 10_000 },
};
