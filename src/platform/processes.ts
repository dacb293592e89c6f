/**
 * Other processes, as /proc shows them: who they are, what they have open. Nothing here asks the process itself, so it may be stopped
 * or hang, and does not notice. A process that ends while it is looked at is one that is not there; one that belongs to another
 * user shows its name and its user, and not what it has open.
 */
import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { AT_FDCWD, closeDescriptor, libc } from './system.js';

/** USER_HZ: what the kernel counts a process's start in, on every architecture that Linux knows. */
const TICKS_PER_SECOND = 100;
const MAX_COMMAND = 256;
const O_CLOEXEC = 0o2000000;
/** A scratch constant. */
const target = Buffer.alloc(4096);

/** The kernel's letters for what a process does. */
const STATES = { R: 'running', S: 'sleeping', D: 'waiting for a device', T: 'stopped', t: 'traced', Z: 'zombie', X: 'zombie', I: 'idle' } as const;

export interface ProcessFacts {
  readonly pid: number;
  /** The command line, parts joined by blanks; of a process without one its name in brackets. */
  readonly command: string;
  readonly uid: number;
  readonly state: (typeof STATES)[keyof typeof STATES];
  readonly started: Date;
}

export interface OpenDescriptor {
  readonly fd: number;
  /** `socket:[123]`, `/memfd:name (deleted)`, `/a/path`. */
  readonly target: string;
}

export function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^[1-9]\d*$/.test(name) ? [Number(name)] : []));
}

/** What a process has open; 'hidden' when this user may not see it, undefined when it is gone. */
export function openDescriptors(pid: number): OpenDescriptor[] | 'hidden' | undefined {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '') ? 'hidden' : undefined;
  }
  const found: OpenDescriptor[] = [];
  const directory = new ProcDirectory(`/proc/${pid}/fd`);
  try {
    for (const name of names) {
      const length = directory.readLink(name);
      if (length > 0) found.push({ fd: Number(name), target: target.toString('utf8', 0, length) });
    }
  } finally {
    directory.close();
  }
  return found;
}

/** A directory that is opened once, for many looks into it: the kernel then need not find it each time. Without a descriptor to spare it does. */
class ProcDirectory {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = libc().open(path, constants.O_DIRECTORY | O_CLOEXEC, 0);
  }

  /** Into `target`. */
  readLink(name: string): number {
    return this.#fd < 0 ? libc().readlinkat(AT_FDCWD, `${this.#path}/${name}`, target, target.length) : libc().readlinkat(this.#fd, name, target, target.length);
  }

  close(): void {
    if (this.#fd >= 0) closeDescriptor(this.#fd);
  }
}

/** Undefined when there is no such process (any more). */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name stands in parentheses and may hold some itself; behind the last one the fields are plain.
    const [name, fields] = [stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), stat.slice(stat.lastIndexOf(')') + 2).split(' ')];
    const uid = Number(/^Uid:\t\d+\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
    const started = new Date(bootTime() + (Number(fields[19]) / TICKS_PER_SECOND) * 1000);
    return { pid, command: commandOf(pid) || `[${name}]`, uid, state: STATES[fields[0] as keyof typeof STATES] ?? 'idle', started };
  } catch {
    return undefined;
  }
}

/**
 * Numbers of the memory files of ours that a process has mapped for writing. Sealing takes that right from everybody who has not used it
 * before, so of a sealed file it tells who made it: a descriptor can be sent to somebody, a mapping can't.
 * Undefined when this user may not see it, or the process is gone.
 */
export function writtenMemory(pid: number): ReadonlySet<number> | undefined {
  try {
    const lines = readFileSync(`/proc/${pid}/maps`, 'latin1').matchAll(/^\S+ rw-s \S+ \S+ (\d+) +\/memfd:alpc:/gm);
    return new Set(Array.from(lines, ([, inode]) => Number(inode)));
  } catch {
    return undefined;
  }
}

/** Whether a process is in another network namespace: then its sockets are not in this one's list. */
export function isElsewhere(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net');
  } catch {
    return false;
  }
}

/** Printable: whoever starts a process chooses what stands there. */
function commandOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ').replace(/[\p{Cc}\p{Cf}\p{Surrogate}]+/gu, ' ').trim();
  return text.length > MAX_COMMAND ? `${text.slice(0, MAX_COMMAND - 1)}…` : text;
}

/** In milliseconds since 1970: the start of the count. Kept, for it hardly changes. */
const boot: { at?: number } = {};

function bootTime(): number {
  return (boot.at ??= Number(/^btime (\d+)/m.exec(readFileSync('/proc/stat', 'utf8'))![1]) * 1000);
}
