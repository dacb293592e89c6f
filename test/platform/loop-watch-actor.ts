/** What a test's own process can't bear: uncaught exceptions, and ending for want of anything to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { libc } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';
import { obey, tell } from '../support/actor.js';

export type Order = { type: 'throw-in-callback' } | { type: 'watch-and-leave'; referenced: boolean };
/** Whoever does not keep its watch loses it to the garbage collector. */
const kept: LoopWatch[] = [];

export type News = { type: 'thrown'; uncaught: string[]; elsewhere: string[]; heardLater: boolean };

obey<Order>({
  'throw-in-callback': async () => {
    const uncaught: string[] = [];
    const elsewhere: string[] = [];
    process.on('uncaughtException', (error) => uncaught.push(error.message));
    const [theirs, mine] = createSocketPair();
    const heard = { count: 0 };
    const watch = new LoopWatch(mine, () => {
      receiveBytes(mine, Buffer.alloc(8));
      if (++heard.count === 1) throw new Error('thrown in the callback');
    });
    ringBell(theirs);
    while (heard.count === 0 || uncaught.length === 0) await sleep(1);
    for (let i = 0; i < 100; i++) {
      try {
        libc().getpagesize();
        receiveBytes(mine, Buffer.alloc(8));
      } catch (error) {
        elsewhere.push(String(error));
      }
      await sleep(0);
    }
    ringBell(theirs);
    while (heard.count < 2) await sleep(1);
    watch.close();
    tell<News>({ type: 'thrown', uncaught, elsewhere, heardLater: heard.count === 2 });
  },
  'watch-and-leave': ({ referenced }) => {
    const [, mine] = createSocketPair();
    const watch = new LoopWatch(mine, () => {});
    kept.push(watch);
    if (!referenced) watch.unref();
    setTimeout(() => process.exit(7), 300).unref();
    process.removeAllListeners('message').removeAllListeners('disconnect');
    process.channel?.unref();
  },
});
