/** What a test's own process can't bear: uncaught exceptions, and ending for want of anything to do. */
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';
import { obey, tell } from '../support/actor.js';
import { scenarios } from './loop-watch-scenarios.js';

export type Order = { type: 'throw-in-callback' } | { type: 'watch-and-leave'; referenced: boolean };
export type News = { type: 'thrown'; uncaught: string[]; elsewhere: string[]; heardLater: boolean };

obey<Order>({
  'throw-in-callback': async () => tell<News>({ type: 'thrown', ...(await scenarios.exception()) }),
  'watch-and-leave': ({ referenced }) => {
    const [, mine] = createSocketPair();
    const watch = new LoopWatch(mine, () => {});
    if (!referenced) watch.unref();
    setTimeout(() => process.exit(7), 300).unref();
    process.removeAllListeners('message').removeAllListeners('disconnect');
    process.channel?.unref();
  },
});
