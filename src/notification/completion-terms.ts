/** What callers say to a completion port, and what it tells of itself. */

export interface CompletionPortOptions {
  /** Threads that work at once: 1 to 256; 0 (the default) for as many as there are processors. */
  concurrency?: number;
  /** Bytes for packets that wait: a power of two from 256 KiB to 1 GiB; 4 MiB by default. */
  packetBytes?: number;
}

/** Names a completion port among the threads of this process: hand it over by `workerData` or `postMessage`. */
export interface CompletionPortHandle {
  readonly completionPort: SharedArrayBuffer;
}

export interface DequeueSyncOptions {
  /** Packets to take at once: 1 to 65,536; 64 by default. */
  max?: number;
  /** Milliseconds to wait: 0 looks once, Infinity (the default) waits for as long as it takes. */
  timeout?: number;
}

export interface DequeueOptions extends DequeueSyncOptions {
  /** Ends the wait; the call rejects with its reason. */
  signal?: AbortSignal;
}

export interface CompletionPortInformation {
  readonly concurrency: number;
  /** Threads at work, and the most that ever were when a packet was handed out. */
  readonly running: number;
  readonly peak: number;
  /** Threads that wait for packets, and those that gave their place away while they block. */
  readonly waiting: number;
  readonly blocked: number;
  /** Packets queued and handed out since the beginning, modulo 2^32; bytes that wait. */
  readonly queued: number;
  readonly dequeued: number;
  readonly queuedBytes: number;
}
