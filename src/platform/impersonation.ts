/**
 * Acting as another user towards the file system, for the length of one function: the user, group and groups that the kernel holds this
 * thread's file accesses against (fsuid, fsgid, supplementary groups), by system calls that concern this thread and no other.
 *
 * Invariant: whatever the function does, the thread is itself again behind it; if it can't be, the process ends. Only who may be anybody
 * becomes somebody else: a thread whose own file-system user is root. Its rights as root go with that, in the kernel.
 */
import { SYS } from './libc.js';
import { check, libc, SystemError } from './system.js';

export interface FileIdentity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** Changes nothing: who is asked for as "all ones" is nobody. */
const NOBODY = 0xffffffff;

/** Runs `action` as somebody else. @throws SystemError EPERM when this thread may not be that; what `action` throws */
export function runAs<T>(who: FileIdentity, action: () => T): T {
  const self = current();
  if (isSame(self, who)) return action();
  if (self.uid !== 0) throw new SystemError('setfsuid', 'EPERM');
  try {
    become(who);
    return action();
  } finally {
    comeBack(self);
  }
}

function comeBack(self: FileIdentity): void {
  try {
    become(self);
  } catch {
    process.abort(); // to go on as somebody else would be worse
  }
}

/** Groups first: the right to change them may go with the user. Coming back they can be changed again, for that right is none of the file system's. */
function become({ uid, gid, groups }: FileIdentity): void {
  const list = Uint32Array.from(groups.length === 0 ? [0] : groups);
  check('setgroups', libc().syscall_groups(SYS.setgroups, groups.length, list));
  libc().syscall_setfsid(SYS.setfsgid, gid);
  libc().syscall_setfsid(SYS.setfsuid, uid);
  if (fileUser() !== uid || fileGroup() !== gid) throw new SystemError('setfsuid', 'EPERM');
}

function current(): FileIdentity {
  const count = check('getgroups', libc().syscall_groups(SYS.getgroups, 0, new Uint32Array(1)));
  const groups = new Uint32Array(Math.max(1, count));
  const length = check('getgroups', libc().syscall_groups(SYS.getgroups, count, groups));
  return { uid: fileUser(), gid: fileGroup(), groups: Array.from(groups.subarray(0, length)) };
}

function fileUser(): number {
  return libc().syscall_setfsid(SYS.setfsuid, NOBODY) >>> 0;
}

function fileGroup(): number {
  return libc().syscall_setfsid(SYS.setfsgid, NOBODY) >>> 0;
}

/** The own group counts whether it is in the list or not: Node says that it is, the kernel what was set. */
function isSame(a: FileIdentity, b: FileIdentity): boolean {
  const others = ({ gid, groups }: FileIdentity): string => groups.filter((group) => group !== gid).toSorted((x, y) => x - y).join();
  return a.uid === b.uid && a.gid === b.gid && others(a) === others(b);
}
