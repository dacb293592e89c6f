/** What the thread that owns a server's ports and the threads of a pool tell each other: a relay (pool-relay.ts) and its workers (pool-thread.ts). Frames are those of the wire. */

/** A packet of the completion port that offers a piece of work to whichever thread is free: this, the relay's name, and the number. */
export const TICKET = 'alpc-rpc';

export interface PoolWork {
  readonly number: number;
  readonly interface: string;
  readonly uuid: string | undefined;
  readonly method: string;
  /** Names the connection, among those of one relay. */
  readonly client: number;
  readonly caller: { readonly pid: number; readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly frame: Uint8Array;
  /** The input, when it stands in no frame. */
  readonly long: Uint8Array | undefined;
  readonly maxDataLength: number;
}

/** To a thread. */
export type ToPoolThread =
  | { readonly is: 'work'; readonly work: PoolWork }
  /** What was asked for is somebody else's, or nobody's any more. */
  | { readonly is: 'gone'; readonly number: number }
  | { readonly is: 'give-up'; readonly number: number; readonly why: string }
  /** A datagram about the stream. `long`: the item that it brings. */
  | { readonly is: 'frame'; readonly number: number; readonly frame: Uint8Array; readonly long: Uint8Array | undefined }
  | { readonly is: 'long-sent'; readonly number: number; readonly isSent: boolean; readonly error: string | undefined }
  | { readonly is: 'run-down'; readonly id: string };

/** From a thread. */
export type FromPoolThread =
  | { readonly is: 'take'; readonly number: number }
  | { readonly is: 'answer'; readonly number: number; readonly frame: Uint8Array; readonly runs: readonly Uint8Array[] }
  | { readonly is: 'frame'; readonly number: number; readonly frame: Uint8Array }
  | { readonly is: 'send-long'; readonly number: number; readonly flags: number; readonly frame: Uint8Array; readonly runs: readonly Uint8Array[] }
  | { readonly is: 'opened'; readonly number: number; readonly id: string }
  | { readonly is: 'closed'; readonly number: number; readonly id: string }
  | { readonly is: 'failed'; readonly error: string }
  | { readonly is: 'violated'; readonly number: number; readonly what: string };

/** Every word says whose it is: a thread has words of its own with its pool, and maybe with its user. */
export interface Worded<Word> {
  readonly alpcRpc: string;
  readonly word: Word;
}

export function wordOf<Word>(told: unknown, relay?: string): Worded<Word> | undefined {
  if (typeof told !== 'object' || told === null || !('alpcRpc' in told)) return undefined;
  const worded = told as Worded<Word>;
  return relay === undefined || worded.alpcRpc === relay ? worded : undefined;
}

/** Bytes of their own, that can be handed over: a clone of a view would be one of all the memory behind it. */
export function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
