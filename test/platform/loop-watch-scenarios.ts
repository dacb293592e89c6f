/**
 * What happens to a watch, as functions that say what they saw: run by the test in its main thread, and in a worker, where a
 * watch is another thing altogether and must behave alike.
 */
import { readdirSync } from 'node:fs';
import { mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { check, closeDescriptor, libc } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { collectGarbage } from '../support/garbage.js';
import { turn, turnsUntil } from '../support/turns.js';

/** A pair whose second socket is watched. */
class Watched {
  readonly theirs: number;
  readonly mine: number;
  readonly watch: LoopWatch;

  /** `heard` is called when there is news, after the bell was read unless `unread` says otherwise. */
  constructor(heard: (news: unknown) => void, unread = false) {
    [this.theirs, this.mine] = createSocketPair();
    this.watch = new LoopWatch(this.mine, () => heard(unread ? 'unread' : this.read()));
  }

  read(): unknown {
    return receiveBytes(this.mine, Buffer.alloc(8));
  }

  ring(): void {
    ringBell(this.theirs);
  }

  end(): void {
    this.watch.close();
    closeDescriptor(this.mine);
    closeDescriptor(this.theirs);
  }
}

export const scenarios = {
  /** Bells heard, each rung after a forced collection. */
  async collections(): Promise<number> {
    const seen = { count: 0 };
    const watched = new Watched(() => seen.count++);
    for (let i = 1; i <= 100; i++) {
      collectGarbage();
      await turn();
      watched.ring();
      await turnsUntil(() => seen.count === i);
    }
    watched.end();
    return seen.count;
  },

  /** Times that one bell was told: while it was unread, and after it was read. */
  async tellings(): Promise<{ unread: boolean; after: number }> {
    const seen = { count: 0 };
    const watched = new Watched(() => seen.count++, true);
    watched.ring();
    await turnsUntil(() => seen.count >= 5);
    watched.read();
    await sleep(5);
    const before = seen.count;
    await sleep(30);
    watched.end();
    return { unread: before >= 5, after: seen.count - before };
  },

  /** What a watch tells when its peer closes. */
  async peersEnd(): Promise<unknown> {
    const seen: { news?: unknown } = {};
    const [theirs, mine] = createSocketPair();
    const watch = new LoopWatch(mine, () => {
      seen.news = receiveBytes(mine, Buffer.alloc(8));
      watch.close();
    });
    closeDescriptor(theirs);
    await turnsUntil(() => seen.news !== undefined);
    closeDescriptor(mine);
    return seen.news;
  },

  /** What is told, one packet read at a time, after a peer has rung twice and died with something unread of this side. */
  async reset(): Promise<unknown[]> {
    const told: unknown[] = [];
    const [theirs, mine] = createSocketPair();
    const watch = new LoopWatch(mine, () => {
      const news = receiveBytes(mine, Buffer.alloc(8));
      told.push(news);
      if (news === 'end') watch.close();
    });
    ringBell(mine);
    ringBell(theirs);
    ringBell(theirs);
    closeDescriptor(theirs);
    for (let tries = 0; !watch.closed && tries < 100; tries++) await sleep(10);
    watch.close();
    closeDescriptor(mine);
    return told.filter((news) => news !== 'none');
  },

  /** What happens in which order after a bell whose owner leaves by setImmediate. */
  order(): Promise<string[]> {
    return new Promise((resolve) => {
      const order: string[] = [];
      const watched = new Watched(() => {
        order.push('bell');
        setImmediate(() => {
          order.push('left');
          void Promise.resolve().then(() => order.push('promise'));
          setImmediate(() => {
            order.push('next turn');
            watched.end();
            resolve(order);
          });
        });
      });
      watched.ring();
    });
  },

  /** How often a watch is heard that closes itself, and how many of two that close each other. */
  async closings(): Promise<{ own: number; ofTwo: number }> {
    const seen = { own: 0, ofTwo: 0 };
    const first = new Watched(() => {
      seen.own++;
      first.watch.close();
      first.watch.close();
    });
    first.ring();
    first.ring();
    const a = new Watched(() => {
      seen.ofTwo++;
      b.watch.close();
    });
    const b = new Watched(() => {
      seen.ofTwo++;
      a.watch.close();
    });
    await turn();
    a.ring();
    b.ring();
    await turnsUntil(() => seen.own > 0 && seen.ofTwo > 0);
    await sleep(20);
    [first, a, b].forEach((watched) => watched.end());
    return seen;
  },

  /** Bells heard by a closed watch whose descriptor's number became another socket that has news. */
  async usedAgain(): Promise<number> {
    const seen = { count: 0 };
    const watched = new Watched(() => seen.count++);
    await turn();
    watched.watch.close();
    for (let i = 0; i < 50; i++) {
      const [theirs, other] = createSocketPair();
      check('dup3', libc().dup3(other, watched.mine, 0o2000000));
      ringBell(theirs);
      await turn();
      closeDescriptor(theirs);
      closeDescriptor(other);
    }
    watched.end();
    return seen.count;
  },

  /** Descriptors more than before, after many watches came, heard and went. */
  async descriptors(): Promise<number> {
    const round = async (): Promise<void> => {
      const seen = { count: 0 };
      const all = Array.from({ length: 20 }, () => new Watched(() => seen.count++));
      all.forEach((watched) => watched.ring());
      await turnsUntil(() => seen.count === 20);
      all.forEach((watched) => watched.end());
      await sleep(5);
    };
    await round();
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 5; i++) await round();
    return readdirSync('/proc/self/fd').length - before;
  },

  /** Bells heard while the process has no descriptor to spare, and after. */
  async shortage(): Promise<number> {
    const seen = { count: 0 };
    const watched = new Watched(() => seen.count++);
    await turn();
    const shortage = mock.method(libc(), 'fcntl', () => -1);
    watched.ring();
    await turnsUntil(() => seen.count === 1);
    watched.ring(); // is heard while it lasts
    await turnsUntil(() => seen.count === 2);
    await sleep(30);
    shortage.mock.restore();
    watched.ring();
    await turnsUntil(() => seen.count === 3);
    watched.end();
    return seen.count;
  },

  /** Where an exception in the callback came out, and whether the watch heard the next bell. */
  async exception(): Promise<{ uncaught: string[]; elsewhere: string[]; heardLater: boolean }> {
    const uncaught: string[] = [];
    const elsewhere: string[] = [];
    const note = (error: Error): void => void uncaught.push(error.message);
    process.on('uncaughtException', note);
    const seen = { count: 0 };
    const watched = new Watched(() => {
      if (++seen.count === 1) throw new Error('thrown in the callback');
    });
    watched.ring();
    await turnsUntil(() => uncaught.length > 0);
    for (let i = 0; i < 100; i++) {
      try {
        libc().getpagesize();
        watched.read();
      } catch (error) {
        elsewhere.push(String(error));
      }
      await turn();
    }
    watched.ring();
    await turnsUntil(() => seen.count === 2);
    watched.end();
    process.off('uncaughtException', note);
    return { uncaught, elsewhere, heardLater: true };
  },
};

export type Scenario = keyof typeof scenarios;
