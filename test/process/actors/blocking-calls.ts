/** Each of the calls that block, made so that it blocks for good: its server does not answer, does not decide, or does not read. */
import { connectPortSync, createPortSync } from '../../../src/ports/index.js';
import { pageSize } from '../../../src/platform/descriptors.js';
import type { Blocking } from '../taking.js';

/** Never returns. `begun` is called as late as may be before it blocks. */
export function block(name: string, call: Blocking, begun: () => void): void {
  if (call === 'server receiveSync') {
    const port = createPortSync(name);
    begun();
    for (;;) port.receiveSync();
  }
  if (call === 'connectPortSync') {
    pageSize(); // the C library is loaded: a thread that is terminated in the midst of that ends the process (docs/threads.md)
    begun();
    connectPortSync(name, { data: 'silence' });
  }
  const port = connectPortSync(name);
  begun();
  if (call === 'requestSync') port.requestSync('hold');
  if (call === 'receiveSync') port.receiveSync();
  for (;;) port.postSync(Buffer.alloc(10_000));
}
