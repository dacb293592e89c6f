/** Threads as the kernel knows them: by number, for telling from another thread of the process whether one is still there. */
import { existsSync } from 'node:fs';
import { SYS } from './libc.js';
import { libc } from './system.js';

/** This thread's number. */
export function threadId(): number {
  return libc().syscall_gettid(SYS.gettid);
}

/** Whether a thread of this process is there. Numbers are used again, but seldom soon. */
export function isThreadAlive(id: number): boolean {
  return existsSync(`/proc/self/task/${id}`);
}
