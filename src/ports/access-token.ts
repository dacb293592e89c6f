/**
 * The token of whoever is at the other end: everything that the kernel says of it. Nothing in it comes from the peer, so nobody can withhold it
 * or make it up.
 *
 * User, group and groups are those of the moment when the connection was made. The process's executable and start are looked up when somebody
 * asks first, by the process itself and not by its number: when it is gone, or the kernel can't name it safely (before Linux 6.5), they are
 * undefined. An executable can be exchanged by its process: it is a hint for people and logs.
 */
import { peerLabel, peerProcess } from '../platform/credentials.js';
import { lookAtPeer, type PeerProcess } from '../platform/peer-process.js';
import type { Connection } from './connection.js';

type ProcessFacts = Pick<PeerProcess, 'executable' | 'startTime' | 'session'> & { readonly label: string | undefined };

const GONE: ProcessFacts = { executable: undefined, startTime: undefined, session: undefined, label: undefined };

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

  /** The login session that the process is in; undefined also when it is in none. */
  get session(): number | undefined {
    const { session } = this.#known;
    return session === 'none' ? undefined : session;
  }

  /** What SELinux, AppArmor or Smack call the peer. */
  get label(): string | undefined {
    return this.#known.label;
  }

  /**
   * A pidfd of the process: no later one of the same pid is meant. Undefined when the connection has ended, or the kernel knows none; of a
   * process that ended a moment ago it may still be one, which is readable, as that of any process that has ended. The caller closes it.
   * NtAlpcOpenSenderProcess.
   */
  openProcess(): number | undefined {
    return this.#connection.state === 'open' ? peerProcess(this.#connection.socket) : undefined;
  }

  get #known(): ProcessFacts {
    return (this.#facts ??= this.#look());
  }

  #look(): ProcessFacts {
    if (this.#connection.state !== 'open') return GONE;
    const { socket } = this.#connection;
    return { ...lookAtPeer(socket, this.pid), label: peerLabel(socket) };
  }
}
