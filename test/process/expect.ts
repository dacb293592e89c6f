/**
 * What tests of ports say again and again: which error a call must end with, how a call ended as one word, and waiting for
 * something that another process does. Nothing here asserts a time; `until` has a patience only so that a hang is a failure.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlpcError, type AlpcErrorCode } from '../../src/base/errors.js';
import type { CommunicationPort, RequestMessage } from '../../src/ports/index.js';

/** For assert.throws and assert.rejects: an AlpcError of this code, whose message matches. */
export function failsWith(code: AlpcErrorCode, message = /./): (error: unknown) => true {
  return (error) => {
    if (!AlpcError.is(error)) throw error;
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** The code of an alpc error, the name of any other (an AbortError's, say). */
export function nameOf(error: unknown): string {
  return AlpcError.is(error) ? error.code : error instanceof Error ? error.name : String(error);
}

/** How a call ended, in a word: the text of its reply, 'done' for what gives nothing, or its error's code. */
export function outcomeOf(call: Promise<{ data: Buffer } | void>): Promise<string> {
  return call.then((reply) => (reply === undefined ? 'done' : reply.data.toString()), nameOf);
}

/** The same for a blocking call. */
export function outcomeOfSync(call: () => { data: Buffer } | void): string {
  try {
    const reply = call();
    return reply === undefined ? 'done' : reply.data.toString();
  } catch (error) {
    return nameOf(error);
  }
}

/** Waits until `look` finds something. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = performance.now() + 20_000;
  for (let pause = 1; ; pause = Math.min(2 * pause, 50)) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    assert.ok(performance.now() < deadline, `waited in vain until ${what}`);
    await sleep(pause);
  }
}

/** Many blocking calls in a row; how they ended. */
export function cross(port: CommunicationPort, text: string, count: number, onCallback?: (message: RequestMessage) => void): Record<string, number> {
  return tally(numbers(count).map(() => outcomeOfSync(() => port.requestSync(text, onCallback === undefined ? {} : { onCallback }))));
}

/** How many of each there are. */
export function tally(outcomes: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

export const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

/** Stops this thread for a while, event loop and all, and leaves its core to others. */
export function blockFor(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
