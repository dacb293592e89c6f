/** What happens in which order after a bell, noted; for the main thread and for a worker alike. */
import { LoopWatch } from '../../src/platform/loop-watch.js';
import { closeDescriptor } from '../../src/platform/system.js';
import { createSocketPair, receiveBytes, ringBell } from '../../src/platform/unix-socket.js';

export function orderAfterBell(): Promise<string[]> {
  return new Promise((resolve) => {
    const [theirs, mine] = createSocketPair();
    const order: string[] = [];
    const watch = new LoopWatch(mine, () => {
      receiveBytes(mine, Buffer.alloc(8));
      order.push('bell');
      setImmediate(() => {
        order.push('left');
        void Promise.resolve().then(() => order.push('promise'));
        setImmediate(() => {
          order.push('next turn');
          watch.close();
          closeDescriptor(mine);
          closeDescriptor(theirs);
          resolve(order);
        });
      });
    });
    ringBell(theirs);
  });
}
