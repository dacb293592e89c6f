/**
 * Who is at the other end of a connection: what the kernel recorded when the connection was made. Nothing in it comes from
 * the peer itself. The overflow uid 65534 stands for somebody of another user namespace: treat it as unknown.
 */
import { commandOf, type Credentials } from '../platform/credentials.js';

export class PeerIdentity {
  /** The process that connected (for a server: that listened). Pids are used again: an identity only while the connection lives. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; empty for a caller whose packets of a completion port are served by a thread of an RPC pool, which a relay's are not. */
  readonly groups: readonly number[];

  constructor(credentials: Credentials, groups: readonly number[] = NO_GROUPS) {
    this.pid = credentials.pid;
    this.uid = credentials.uid;
    this.gid = credentials.gid;
    this.groups = groups;
  }

  /** The command name of the process, for people to read; undefined when it is gone. */
  get command(): string | undefined {
    return commandOf(this.pid);
  }

  toString(): string {
    return `pid ${this.pid} uid ${this.uid}`;
  }
}

const NO_GROUPS: readonly number[] = Object.freeze([]);
