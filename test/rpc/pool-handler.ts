/** The handlers of pool.test.ts, in a thread of a pool. */
import { threadId } from 'node:worker_threads';
import { Fault, implement, poolHandler } from '../../src/rpc/index.js';
import { Pooled } from './pooled.js';

export default poolHandler([
  implement(Pooled, {
    where: () => threadId,
    echo: (value) => value,
    fail: () => {
      throw new Fault('broken', 7);
    },
    handle: (_, context) => context.openHandle({}),
    uid: (_, { caller }) => caller.uid,
  }),
]);
