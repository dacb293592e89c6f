/**
 * Whose turn it is among the active connections of a port. Users take turns, and so do the connections of one user among
 * themselves, a few messages at a time: so a user with a thousand connections gets no more of the server than one with a
 * single connection, and within a user no connection starves another.
 *
 * What is read may be somebody's to be called at once, and who is called may end connections or close the port: after each look there may be
 * fewer than before it, or none.
 */
import type { Connection, ConnectionMessage } from './connection.js';

/** Messages in a row of one connection, and of one user. */
const QUANTUM = 16;

/** All that is connected of one user (as the kernel says). */
export class ConnectedUser {
  connections = 0;
  readonly active: Connection[] = [];
  /** Its place among the users with active connections, or -1. */
  at = -1;
  #cursor = 0;
  #taken = 0;

  constructor(readonly uid: number) {}

  /** The next message of its connections in turn. Those that are spent leave. */
  take(now: number): ConnectionMessage | undefined {
    const { active } = this;
    for (let tries = active.length; tries > 0 && active.length > 0; tries--) {
      if (this.#cursor >= active.length) this.#cursor = 0;
      const connection = active[this.#cursor]!;
      const message = connection.inbound.take();
      if (message !== undefined) {
        connection.lastActive = now;
        if (++this.#taken >= QUANTUM) this.#next();
        return message;
      }
      if (connection.isSpent) this.remove(connection);
      else this.#next();
    }
    return undefined;
  }

  /** As `take`, `max` messages at most, of one connection; `alone`: it is the only active one of all. How many there were. */
  takeSome(now: number, messages: ConnectionMessage[], max: number, alone: boolean): number {
    const { active } = this;
    for (let tries = active.length; tries > 0 && active.length > 0; tries--) {
      if (this.#cursor >= active.length) this.#cursor = 0;
      const connection = active[this.#cursor]!;
      const count = connection.inbound.takeSome(messages, alone ? max : Math.min(max, QUANTUM - this.#taken));
      if (count > 0) {
        connection.lastActive = now;
        if ((this.#taken += count) >= QUANTUM) this.#next();
        return count;
      }
      if (connection.isSpent) this.remove(connection);
      else this.#next();
    }
    return 0;
  }

  add(connection: Connection): void {
    connection.activeAt = this.active.length;
    this.active.push(connection);
  }

  /** Takes it out; the last one moves into its place. */
  remove(connection: Connection): void {
    const at = connection.activeAt;
    if (at < 0) return;
    connection.activeAt = -1;
    const last = this.active.pop()!;
    if (last !== connection) {
      this.active[at] = last;
      last.activeAt = at;
    }
    if (this.#cursor === at) this.#taken = 0;
  }

  #next(): void {
    this.#taken = 0;
    this.#cursor++;
  }
}

export class Turns {
  readonly #users = new Map<number, ConnectedUser>();
  /** Those with active connections, and perhaps some that have none any more. */
  readonly #active: ConnectedUser[] = [];
  #cursor = 0;
  #taken = 0;

  /** A connection was made. */
  join(connection: Connection): void {
    const { uid } = connection.peer;
    let user = this.#users.get(uid);
    if (user === undefined) this.#users.set(uid, (user = new ConnectedUser(uid)));
    user.connections++;
    connection.user = user;
  }

  /** It has ended. It may still be active, for what it left. */
  leave(connection: Connection): void {
    const user = connection.user!;
    if (--user.connections === 0) this.#users.delete(user.uid);
  }

  activate(connection: Connection): void {
    const user = connection.user!;
    if (connection.activeAt >= 0) return;
    user.add(connection);
    if (user.at >= 0) return;
    user.at = this.#active.length;
    this.#active.push(user);
  }

  deactivate(connection: Connection): void {
    connection.user!.remove(connection);
  }

  /** The next message, fairly, or undefined. */
  take(now: number): ConnectionMessage | undefined {
    const active = this.#active;
    for (let tries = active.length; tries > 0 && active.length > 0; tries--) {
      if (this.#cursor >= active.length) this.#cursor = 0;
      const user = active[this.#cursor]!;
      const message = user.take(now);
      if (message !== undefined) {
        if (++this.#taken >= QUANTUM) this.#next();
        return message;
      }
      if (user.active.length === 0) this.#remove(user);
      else this.#next();
    }
    return undefined;
  }

  /** As `take`, some messages of one connection, `max` at most: of who has the turn, as far as that goes; where nobody else is active, to the end. How many there were. */
  takeSome(now: number, messages: ConnectionMessage[], max: number): number {
    const active = this.#active;
    const alone = !this.isCrowded;
    for (let tries = active.length; tries > 0 && active.length > 0; tries--) {
      if (this.#cursor >= active.length) this.#cursor = 0;
      const user = active[this.#cursor]!;
      const count = user.takeSome(now, messages, alone ? max : Math.min(max, QUANTUM - this.#taken), alone);
      if (count > 0) {
        if ((this.#taken += count) >= QUANTUM) this.#next();
        return count;
      }
      if (user.active.length === 0) this.#remove(user);
      else this.#next();
    }
    return 0;
  }

  hasMessages(): boolean {
    for (const { active } of this.#active) for (const connection of active) if (connection.hasMessages()) return true;
    return false;
  }

  /** How many connections `hasMessages` may have to look at. */
  get length(): number {
    let length = 0;
    for (const { active } of this.#active) length += active.length;
    return length;
  }

  /** Whether there is more than one to choose from. */
  get isCrowded(): boolean {
    return this.#active.length > 1 || (this.#active.length === 1 && this.#active[0]!.active.length > 1);
  }

  /**
   * Hands over each active connection. Any of them may be deactivated meanwhile, or all: what is called may be a user's handler, that ends
   * connections or closes the port. One that moved into the place of another may be handed over twice, none is left out.
   */
  forEach(action: (connection: Connection) => void): void {
    for (let u = this.#active.length - 1; u >= 0; u--) {
      const active = this.#active[u]?.active ?? [];
      for (let i = active.length - 1; i >= 0; i--) {
        const connection = active[i];
        if (connection !== undefined) action(connection);
      }
    }
  }

  clear(): void {
    for (const user of this.#active.splice(0)) {
      for (const connection of user.active.splice(0)) connection.activeAt = -1;
      user.at = -1;
    }
  }

  #remove(user: ConnectedUser): void {
    if (user.at < 0) return; // by whoever closed the port
    const last = this.#active.pop()!;
    if (last !== user) {
      this.#active[user.at] = last;
      last.at = user.at;
    }
    user.at = -1;
    this.#taken = 0;
  }

  #next(): void {
    this.#taken = 0;
    this.#cursor++;
  }
}
