/**
 * The command, run as users run it: as a process, in a pipe or in a pseudo-terminal. Where it only says something and ends, one process
 * runs it for all tests of a file (resident.ts).
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Asked, Told } from './resident.js';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  /** Another user; see support/users.ts. */
  readonly user?: number;
  /** A signal that is sent when its output holds this. */
  readonly signalAt?: readonly [RegExp, NodeJS.Signals];
}

export interface Resident {
  readonly alpc: (args: readonly string[], env?: Record<string, string>) => Promise<Ran>;
  /** What a command says with `--json`: one value. */
  readonly json: <T>(...args: string[]) => Promise<T>;
}

/** Runs commands in one process for all tests of a file. Call it once, at the top, before the ledger. */
export function withResident(): Resident {
  let resident: ChildProcess;
  before(async () => {
    resident = fork(new URL('./resident.js', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(resident, 'message'); // it is ready
  });
  after(async () => {
    resident.kill();
    await once(resident, 'exit');
  });
  const alpc: Resident['alpc'] = async (args, env = {}) => {
    resident.send({ args, env: { ...process.env, ...env } } satisfies Asked);
    const ended = new AbortController();
    const death = once(resident, 'exit', { signal: ended.signal }).then(([code, signal]) => {
      throw new Error(`the process of the command ended with ${code ?? signal} at ${args.join(' ')}`);
    });
    try {
      return (await Promise.race([once(resident, 'message', { signal: ended.signal }), death]) as [Told])[0];
    } finally {
      ended.abort();
      death.catch(() => undefined);
    }
  };
  return { alpc, json: async <T>(...args: string[]) => parsed(await alpc([...args, '--json'])) as T };
}

/** In a process of its own. */
export async function alpcAlone(args: readonly string[], { env = {}, user, signalAt }: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], ...(user === undefined ? {} : { uid: user, gid: user }) });
  let seen = '';
  if (signalAt !== undefined) {
    child.stdout.on('data', (data: Buffer) => {
      const before = signalAt[0].test(seen);
      seen += String(data);
      if (!before && signalAt[0].test(seen)) child.kill(signalAt[1]);
    });
  }
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [code, out, errors] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { code, out, errors };
}

function parsed({ out, code, errors }: Ran): unknown {
  if (code !== 0 && code !== 5) throw new Error(`it ended with ${code}: ${errors}`);
  return JSON.parse(out) as unknown;
}

/** In a pseudo-terminal of 24 rows; `keys` are typed when the screen has shown what stands before them. */
export function inTerminal(args: readonly string[], keys: Keys = [], columns = 100, user?: number): Promise<Ran> {
  return terminal([...(user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']), process.execPath, MAIN, ...args], keys, {}, columns);
}

export type Keys = readonly (readonly [RegExp, string])[];

/** The same for any command. */
export async function terminal(command: readonly string[], keys: Keys, env: NodeJS.ProcessEnv = {}, columns = 100): Promise<Ran> {
  const quote = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const line = `stty cols ${columns} rows 24; exec ${command.map(quote).join(' ')}`;
  const child = spawn('script', ['-qefc', line, '/dev/null'], { env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh', ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const rest = [...keys];
  let unseen = '';
  child.stdout.on('data', (data: Buffer) => {
    unseen += String(data);
    if (rest[0]?.[0].test(unseen) !== true) return;
    child.stdin.write(rest.shift()![1]);
    unseen = '';
  });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [code, out, errors] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  child.stdin.destroy();
  return { code, out, errors };
}
