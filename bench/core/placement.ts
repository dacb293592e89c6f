/**
 * Which core a process runs on. Left to the scheduler, two processes that call each other are sometimes put on one core, where
 * the kernel switches between them in a few microseconds, and sometimes on two, where each wake-up of an idle core takes some
 * fifty; the same program measures 13 us in one round and 110 in the next. So the round trip is measured with the two sides on a
 * core each, where a median means something, and once more left to the scheduler, as users have it.
 *
 * What is placed is the main thread of either process, once both are connected: the threads that Node and some libraries have
 * beside it stay free, and nobody takes the machine for one with a single core. A peer whose other side is a thread of the same
 * process is left to the scheduler.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Peer } from '../peer.js';

export interface TwoCores {
  readonly caller: number;
  readonly server: number;
}

/** Two cores that this process may use, not two threads of one; or the reason why there are none. */
export function findTwoCores(): TwoCores | string {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'there is no taskset (util-linux)';
  }
  const allowed = parseList(/^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!);
  const caller = allowed[0]!;
  const server = allowed.find((core) => !siblingsOf(caller).includes(core));
  return server === undefined ? 'there is only one core' : { caller, server };
}

/** The same peer, whose sessions are placed as they start. */
export function placed(peer: Peer, cores: TwoCores): Peer {
  return {
    ...peer,
    async start(scenario) {
      const session = await peer.start(scenario);
      if (session.server !== undefined) {
        moveMainThread(process.pid, cores.caller);
        moveMainThread(session.server.pid, cores.server);
      }
      return session;
    },
  };
}

function moveMainThread(pid: number, core: number): void {
  execFileSync('taskset', ['-p', '-c', `${core}`, `${pid}`], { stdio: 'ignore' });
}

function siblingsOf(core: number): number[] {
  try {
    return parseList(readFileSync(`/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`, 'utf8').trim());
  } catch {
    return [core];
  }
}

/** '0-2,5' is 0, 1, 2 and 5. */
export function parseList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
