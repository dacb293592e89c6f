/** The command, run as users run it: as a process, in a pipe or in a pseudo-terminal. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  /** A signal that is sent when its output holds this. */
  readonly signalAt?: readonly [RegExp, NodeJS.Signals];
}

export async function alpc(args: readonly string[], { env = {}, signalAt }: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
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

/** What a command says with `--json`: one value a line. */
export async function json<T>(...args: string[]): Promise<T> {
  const { out, code, errors } = await alpc([...args, '--json']);
  if (code !== 0 && code !== 5) throw new Error(`${args.join(' ')} ended with ${code}: ${errors}`);
  return JSON.parse(out) as T;
}

/** In a pseudo-terminal of 100 columns and 24 rows; `keys` are typed when the screen has shown what stands before them. */
export function inTerminal(args: readonly string[], keys: Keys = []): Promise<Ran> {
  return terminal([process.execPath, MAIN, ...args], keys);
}

export type Keys = readonly (readonly [RegExp, string])[];

/** The same for any command. */
export async function terminal(command: readonly string[], keys: Keys, env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const quote = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const line = `stty cols 100 rows 24; exec ${command.map(quote).join(' ')}`;
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
