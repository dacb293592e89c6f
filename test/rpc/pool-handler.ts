/** The handlers of pool.test.ts, in a thread of a pool. */
import { threadId } from 'node:worker_threads';
import { Fault, implement, poolHandler } from '../../src/rpc/index.js';
import { Back, Guarded, Pooled } from './pooled.js';

export default poolHandler([
  implement(Pooled, {
    *items() {
      yield 1;
    },
    note: () => {},
    give: (handle, context) => context.handle(handle),
    back: async (_, context) => void (await context.callback(Back)),
    left: (_, context) => context.timeLeft,
    where: () => threadId,
    echo: (value) => value,
    fail: () => {
      throw new Fault('broken', 7);
    },
    handle: (_, context) => context.openHandle({}),
    uid: (_, { caller }) => caller.uid,
  }),
  implement(Guarded, { tell: () => 'told' }, {
    security: () => {
      throw new Error('of the callback');
    },
  }),
]);
