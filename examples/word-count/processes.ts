/**
 * What must not be left behind, whichever way the job ends: the processes that it starts, and a directory for its names.
 *
 * Both are used with `await using`, which undoes them when the block is left, by an error too. Ctrl+C comes here as an error
 * of its own, so that it takes the same way out. The processes are kept out of the terminal's group: Ctrl+C then reaches
 * the main process alone, which ends the others. If the main process itself is killed without a chance to do so, they see
 * their connections to it end, and go by themselves.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A directory that is gone afterwards. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'alpc-word-count-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** The user wants it to end. */
export class Interruption extends Error {
  override readonly name = 'Interruption';

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`interrupted by ${signal}`);
    this.exitCode = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal];
  }

  /** What shells expect: 128 and the signal's number. */
  readonly exitCode: number;
}

/** Rejects with an Interruption at the first signal to end. Further ones change nothing: the way out is under way. */
export function interruption(): Promise<never> {
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => reject(new Interruption(signal)));
  });
  interrupted.catch(() => undefined); // it may come before anybody waits for it
  return interrupted;
}

/** The processes of the job. */
export class Processes {
  readonly #running = new Set<ChildProcess>();
  readonly #onLine: (speaker: string, line: string) => void;
  #over = false;

  /** `onLine` gets what they write, line by line. */
  constructor(onLine: (speaker: string, line: string) => void) {
    this.#onLine = onLine;
  }

  /** Starts a script of this directory. */
  start(speaker: string, script: string, ...args: string[]): ChildProcess {
    if (this.#over) throw new Error(`${speaker} is not started: the job is over`);
    const child = fork(new URL(script, import.meta.url), args, { detached: true, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    this.#running.add(child);
    child.on('exit', () => this.#running.delete(child));
    createInterface(child.stdout!).on('line', (line) => this.#onLine(speaker, line));
    return child;
  }

  /** Starts a script that serves, and waits until it says that it is ready. */
  async startServer(speaker: string, script: string, ...args: string[]): Promise<ChildProcess> {
    const child = this.start(speaker, script, ...args);
    await answerOf(child, speaker);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    const last = [...this.#running].toReversed(); // clients before their server, which they would miss
    const exits = last.map((child) => once(child, 'exit'));
    for (const child of last) child.kill('SIGKILL');
    await Promise.all(exits);
  }
}

/** Asks a server what it has done. */
export async function figuresOf<Figures>(server: ChildProcess, speaker: string): Promise<Figures> {
  const answer = answerOf(server, speaker);
  server.send('figures');
  return (await answer) as Figures;
}

/** Ends a server: it closes its port, which is orderly, and then there is nothing more for it to do. */
export async function endServer(server: ChildProcess): Promise<void> {
  const exit = once(server, 'exit');
  server.disconnect();
  await exit;
}

function answerOf(child: ChildProcess, speaker: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code, signal) => reject(new Error(`${speaker} ended unexpectedly (${code ?? signal})`)));
  });
}
