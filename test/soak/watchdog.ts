/**
 * Looks into the rings of another process, without its help: so a hang can be told apart even when both of its threads block.
 * The control pages are found by name in /proc/<pid>/maps and read through /proc/<pid>/mem, which a parent may.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { CONTROL_FIELDS } from '../../src/memory/layout.js';

/** The words of one control page, by name. */
export type Words = Readonly<Record<string, number>>;

/** Up to the last single word; rows stand behind it. */
const SINGLE = CONTROL_FIELDS.filter(({ name }) => name !== 'releases' && name !== 'securityContexts');
const LENGTH = Math.max(...SINGLE.map(({ offset }) => offset + 4));

/** The control pages of every connection that a process has through a port of this name, its own outboxes and its peers'. */
export function controlPagesOf(pid: number, portName: string): Words[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .map((line) => /^([0-9a-f]+)-\S+ \S+ 00000000 \S+ \d+\s+\/memfd:alpc:(.*) \(deleted\)$/.exec(line))
      .filter((match) => match?.[2] === portName)
      .map((match) => {
        const page = Buffer.alloc(LENGTH);
        readSync(memory, page, 0, LENGTH, Number.parseInt(match![1]!, 16));
        return Object.fromEntries(SINGLE.map(({ name, offset }) => [name, page.readUInt32LE(offset)]));
      });
  } finally {
    closeSync(memory);
  }
}

/** Where a process's thread sleeps in the kernel, and its state. */
export function whereabouts(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').trim();
    } catch {
      return 'not told';
    }
  };
  return `state ${/^State:\s*(.*)$/m.exec(status)?.[1]}, sleeps in ${read('wchan')}, system call ${read('syscall')}`;
}

/** Calls `onHang` when nothing was sent or received for so long, and `onFault` when it can't look any more. Stop it with the function that it gives. */
export function watch(pids: readonly number[], portName: string, patience: number, onHang: () => void, onFault: (error: Error) => void): () => void {
  let last = '';
  let since = performance.now();
  const look = (): void => {
    const now = JSON.stringify(controlPagesOf(pids[0]!, portName).map(({ tail, head, bellsRung }) => [tail, head, bellsRung]));
    if (now !== last) {
      last = now;
      since = performance.now();
    } else if (performance.now() - since > patience) {
      clearInterval(timer);
      onHang();
    }
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      clearInterval(timer);
      onFault(error as Error); // thrown here it would end the timer's turn only, and the soak would wait for ever
    }
  }, Math.min(1000, patience / 4));
  return () => clearInterval(timer);
}
