/**
 * The other side of a peer, in a process of its own: `startServer` forks `serve-main.js`, which imports the peer's module and
 * runs the `serve` that it exports. The channel between the two carries 'ready' and, if asked, the CPU time; nothing while a
 * scenario measures. A server ends when its parent ends it or goes away.
 */
import { fork, type ChildProcess, type SerializationType } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerProcess } from '../peer.js';

/**
 * What a peer's module exports for its other side: resolves once clients can connect, for a server that blocks its thread from
 * then on with the function that does.
 */
export type Serve = (address: string, mode: string) => Promise<void | (() => void)>;

export interface ServerOptions {
  /** `import.meta.url` of the module that exports `serve`. */
  readonly module: string;
  readonly address: string;
  /** Whatever the module's `serve` makes of it. */
  readonly mode?: string;
  readonly serialization?: SerializationType;
}

export class Server implements ServerProcess {
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async start({ module, address, mode = '', serialization = 'json' }: ServerOptions): Promise<Server> {
    const child = fork(new URL('./serve-main.js', import.meta.url), [module, address, mode], { serialization, execArgv: [] });
    const ready = once(child, 'message');
    const failed = once(child, 'exit').then(() => {
      throw new Error(`the server of ${module} ended before it was ready`);
    });
    await Promise.race([ready, failed]);
    failed.catch(() => undefined);
    return new Server(child);
  }

  get pid(): number {
    return this.child.pid!;
  }

  async cpuMicroseconds(): Promise<number> {
    const answer = once(this.child, 'message') as Promise<[{ cpu: number }]>;
    this.child.send({ control: 'cpu' });
    return (await answer)[0].cpu;
  }

  /** By signal and not by word: a server that blocks in a loop of its own hears no word. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
  }
}

let addresses = 0;

/** A path for a Unix socket that nobody else uses, in the directory of this run. */
export function freshAddress(): string {
  return join(process.env['ALPC_BENCH_DIRECTORY'] ?? tmpdir(), `${process.pid}-${addresses++}.sock`);
}
