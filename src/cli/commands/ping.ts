/** `alpc ping`: connects to a port and leaves again, to see whether its server answers and how fast. A server that asks is asked. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { AlpcError, type AlpcErrorCode } from '../../base/errors.js';
import { connectPort } from '../../ports/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { exitCodeOf, Exit } from '../exit-codes.js';
import { microsecondsText, printable } from '../output.js';

interface PingOptions {
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
}

interface Answer {
  readonly port: string;
  readonly sequence: number;
  readonly microseconds?: number;
  readonly server?: { readonly pid: number; readonly uid: number };
  readonly error?: { readonly code: string; readonly message: string };
}

export function pingCommand(): Command {
  const command = subcommand('ping', 'connect to a port and leave again: does its server answer, and how fast?')
    .argument('<port>', 'its full name')
    .option('-c, --count <n>', 'so many times', integer(1), 4)
    .option('-i, --interval <ms>', 'milliseconds in between', integer(0), 200)
    .option('-t, --timeout <ms>', 'milliseconds to wait for each answer', integer(1), 1000);
  return acts(command, async ({ out, where, signal }: Context, { count, interval, timeout }: PingOptions, port: string) => {
    let exit = Exit.done;
    const times: number[] = [];
    for (let sequence = 1; sequence <= count && !signal.aborted; sequence++) {
      if (sequence > 1) await sleep(interval, undefined, { signal }).catch(() => undefined);
      const answer = await pingOnce(port, sequence, { ...where, timeout, signal });
      if (signal.aborted) break;
      if (answer.microseconds !== undefined) times.push(answer.microseconds);
      if (answer.exit !== undefined) exit = answer.exit;
      const { exit: _, ...told } = answer;
      if (out.json) out.value(told);
      else if (told.error === undefined) out.line(`${printable(port)}: process ${told.server!.pid} of user ${told.server!.uid} answered in ${microsecondsText(told.microseconds)}`);
      if (told.error === undefined) continue;
      process.stderr.write(`alpc: ${printable(told.error.message)}\n`);
      if (times.length === 0 && STAYS.includes(told.error.code)) break;
    }
    if (!out.json && times.length > 1) out.line(`${times.length} of ${count} answered; fastest ${microsecondsText(Math.min(...times))}, slowest ${microsecondsText(Math.max(...times))}`);
    return times.length > 0 ? Exit.done : exit;
  });
}

/** What is the same the next time, as long as nobody has ever answered; a server that did may come back. */
const STAYS: readonly string[] = ['ERR_ALPC_NAME_NOT_FOUND', 'ERR_ALPC_NAME_INVALID', 'ERR_ALPC_OBJECT_TYPE_MISMATCH', 'ERR_ALPC_INVALID_ARGUMENT'] satisfies AlpcErrorCode[];

async function pingOnce(port: string, sequence: number, options: { root?: string; timeout: number; signal: AbortSignal }): Promise<Answer & { exit?: number }> {
  const start = performance.now();
  try {
    const client = await connectPort(port, options);
    const microseconds = Math.round((performance.now() - start) * 1000);
    const { pid, uid } = client.peer;
    client.close();
    return { port, sequence, microseconds, server: { pid, uid } };
  } catch (error) {
    if (!AlpcError.is(error)) throw error;
    // A refusal is an answer: somebody listens there.
    return { port, sequence, error: { code: error.code, message: error.message }, exit: exitCodeOf(error) };
  }
}

export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > 2 ** 31 - 1) throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
    return value;
  };
}

/** As it is written by hand: 2, 0.5. */
export function decimal(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(?:\.\d+)?$/.test(text) || value < least || value > 2 ** 21) throw new InvalidArgumentError(`It must be a number from ${least}.`);
    return value;
  };
}
