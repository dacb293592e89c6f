/**
 * A trace in the JSON form that Perfetto (ui.perfetto.dev) opens: a track for each process and thread. A request is a slice from its
 * sending to its reply's arrival, a blocked thread is a slice on its own track, everything else is an instant.
 */
import type { TraceEvent } from './model.js';

/** One line of the file: an element of its array. */
export type PerfettoEvent = Readonly<Record<string, unknown>>;

export class PerfettoWriter {
  readonly #commands: (pid: number) => string | undefined;
  readonly #named = new Set<number>();
  /** Requests that have no reply yet, by connection and number. */
  readonly #open = new Map<string, PerfettoEvent>();
  /** How many slices of waiting a thread is in. */
  readonly #waiting = new Map<string, { readonly pid: number; readonly tid: number; readonly depth: number }>();

  /** `commands` tells what a process is called. */
  constructor(commands: (pid: number) => string | undefined) {
    this.#commands = commands;
  }

  write(event: TraceEvent): PerfettoEvent[] {
    const pid = event.pid ?? 0;
    return [...this.#name(pid), ...this.#draw(event, pid)];
  }

  /** What is still open ends with the trace: requests, and threads that wait. */
  end(at = new Date()): PerfettoEvent[] {
    const ts = at.getTime() * 1000;
    const calls = Array.from(this.#open.values(), (begin) => ({ ...begin, ph: 'e', ts }));
    const waits = [...this.#waiting.values()].flatMap(({ pid, tid, depth }) => Array.from({ length: depth }, () => ({ ph: 'E', ts, pid, tid })));
    this.#open.clear();
    this.#waiting.clear();
    return [...calls, ...waits];
  }

  #draw(event: TraceEvent, pid: number): PerfettoEvent[] {
    const { port, connection, messageId, type, bytes, missed, tid = pid } = event;
    const ts = Date.parse(event.at) * 1000;
    const args = { port, connection, messageId, bytes, missed };
    const key = `${connection}/${event.role}/${messageId}`;
    if (event.event === 'wait') {
      this.#deepen(pid, tid, 1);
      return [{ name: `waits for ${messageId} on ${port}`, cat: 'wait', ph: 'B', ts, pid, tid, args }];
    }
    if (event.event === 'unwait') return this.#deepen(pid, tid, -1) ? [{ ph: 'E', ts, pid, tid }] : [];
    const instant = { name: `${event.event}${type === undefined ? '' : ` ${type}`} ${port}`, cat: event.event, ph: 'i', s: 't', ts, pid, tid, args };
    const call = { name: port, cat: 'call', id: key, pid, tid };
    if (event.event === 'send' && type === 'request') {
      const begin = { ...call, ph: 'b', ts, args };
      this.#open.set(key, begin);
      return [begin, instant];
    }
    if (event.event === 'receive' && type === 'reply' && this.#open.delete(key)) return [{ ...call, ph: 'e', ts }, instant];
    return [instant];
  }

  /** False when there is nothing to come out of. */
  #deepen(pid: number, tid: number, by: 1 | -1): boolean {
    const key = `${pid}/${tid}`;
    const depth = (this.#waiting.get(key)?.depth ?? 0) + by;
    if (depth < 0) return false;
    this.#waiting.set(key, { pid, tid, depth });
    return true;
  }

  #name(pid: number): PerfettoEvent[] {
    if (this.#named.has(pid)) return [];
    this.#named.add(pid);
    return [{ name: 'process_name', ph: 'M', pid, args: { name: pid === 0 ? 'a process that can not be seen' : (this.#commands(pid) ?? `process ${pid}`) } }];
  }
}
