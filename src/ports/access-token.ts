/**
 * The token of whoever is at the other end: everything that the kernel says of it. Nothing in it comes from the peer, so nobody can withhold it
 * or make it up.
 *
 * User, group and groups are those of the moment when the connection was made. The process's executable and start are looked up when somebody
 * asks first, by the process itself and not by its number: when it is gone, or the kernel can't name it safely (before Linux 6.5), they are
 * undefined. An executable can be exchanged by its process: it is a hint for people and logs.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { peerLabel, peerProcess } from '../platform/credentials.js';
import { waitReadable } from '../platform/poller.js';
import { closeDescriptor } from '../platform/system.js';
import type { Connection } from './connection.js';

interface ProcessFacts {
  readonly executable: string | undefined;
  readonly startTime: number | undefined;
  readonly label: string | undefined;
}

/** Where in /proc/<pid>/stat, behind the command's name, the start time is. */
const START_TIME = 19;

export class AccessToken {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly pid: number;
  readonly #connection: Connection;
  #facts: ProcessFacts | undefined;

  /** Engine room: `message.token`. */
  constructor(connection: Connection) {
    const { uid, gid, groups, pid } = connection.peer;
    this.uid = uid;
    this.gid = gid;
    this.groups = groups;
    this.pid = pid;
    this.#connection = connection;
  }

  /** The path of the program that the process runs. */
  get executable(): string | undefined {
    return this.#known.executable;
  }

  /** When the process began, in clock ticks since the machine did: with the pid it names the process for good. */
  get startTime(): number | undefined {
    return this.#known.startTime;
  }

  /** What SELinux, AppArmor or Smack call the peer. */
  get label(): string | undefined {
    return this.#known.label;
  }

  /**
   * A pidfd of the process: no later one of the same pid is meant. Undefined when it is gone, or the kernel knows none. The caller closes it.
   * NtAlpcOpenSenderProcess.
   */
  openProcess(): number | undefined {
    return this.#connection.state === 'open' ? peerProcess(this.#connection.socket) : undefined;
  }

  get #known(): ProcessFacts {
    return (this.#facts ??= this.#look());
  }

  #look(): ProcessFacts {
    const pidfd = this.openProcess();
    const label = this.#connection.state === 'open' ? peerLabel(this.#connection.socket) : undefined;
    if (pidfd === undefined) return { executable: undefined, startTime: undefined, label };
    try {
      const executable = quietly(() => readlinkSync(`/proc/${this.pid}/exe`));
      const startTime = quietly(() => Number(readFileSync(`/proc/${this.pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[START_TIME]));
      // It lives still: so all the while the number was its own.
      return waitReadable(pidfd, 0) ? { executable: undefined, startTime: undefined, label } : { executable, startTime, label };
    } finally {
      closeDescriptor(pidfd);
    }
  }
}

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
