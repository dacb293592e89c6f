/**
 * How many stand at a port, and how many of each user: newcomers from the moment that they are accepted, connections until they
 * end. The kernel says who is whose.
 *
 * A user other than the port's own, and root, may hold a share of the port's connections and no more: so nobody can keep
 * everybody else out.
 */
import type { Limits } from './limits.js';

export class HeadCount {
  readonly #ofUser = new Map<number, number>();
  readonly #owner: number;
  #total = 0;

  /** `owner` is the port's own user. */
  constructor(owner: number) {
    this.#owner = owner;
  }

  /** Whether one more of this user is too many. */
  isFull(uid: number, { connections, connectionsPerUser }: Pick<Limits, 'connections' | 'connectionsPerUser'>): boolean {
    if (this.#total >= connections) return true;
    return uid !== 0 && uid !== this.#owner && (this.#ofUser.get(uid) ?? 0) >= connectionsPerUser;
  }

  come(uid: number): void {
    this.#total++;
    this.#ofUser.set(uid, (this.#ofUser.get(uid) ?? 0) + 1);
  }

  go(uid: number): void {
    this.#total--;
    const left = this.#ofUser.get(uid)! - 1;
    if (left > 0) this.#ofUser.set(uid, left);
    else this.#ofUser.delete(uid);
  }
}
