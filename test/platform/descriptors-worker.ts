/** A worker that holds one end of some sockets and then ends in the way that it was told. */
import { readdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { adoptDescriptor, releaseDescriptor } from '../../src/platform/descriptors.js';
import { Poller } from '../../src/platform/poller.js';
import { closeDescriptor, SystemError } from '../../src/platform/system.js';
import { createSocketPair } from '../../src/platform/unix-socket.js';

export interface WorkerOrder {
  end: 'terminated' | 'process.exit' | 'exception' | 'by itself' | 'releases' | 'adopts-nothing' | 'poller-fails';
  adopt: boolean;
  count: number;
}

/** Numbers of the two ends; `peers` are for whoever started the worker to close. */
export interface Holding {
  held: number[];
  peers: number[];
}

/** What every handle of a pipe inherits its `open` from. */
function nodePipePrototype(): { open: (fd: number) => number } {
  const { binding } = process as unknown as { binding: (name: 'pipe_wrap') => { Pipe: { prototype: { open: (fd: number) => number } } } };
  return binding('pipe_wrap').Pipe.prototype;
}

const order = workerData as WorkerOrder;
const pairs = Array.from({ length: order.count }, () => createSocketPair());
const held = pairs.map(([fd]) => (order.adopt ? adoptDescriptor(fd) : fd));

parentPort!.postMessage({ held, peers: pairs.map(([, peer]) => peer) } satisfies Holding, []);
if (order.end === 'releases') held.forEach(releaseDescriptor);
if (order.end === 'adopts-nothing') {
  try {
    adoptDescriptor(9999);
  } catch (error) {
    if (error instanceof SystemError) parentPort!.postMessage({ name: error.name, errno: error.errno }, []);
  }
}
if (order.end === 'poller-fails') {
  const [a, b] = createSocketPair();
  releaseDescriptor(adoptDescriptor(a)); // Node's class of handles has been found by now
  closeDescriptor(b);
  const before = readdirSync('/proc/self/fd').length;
  const { open } = nodePipePrototype();
  nodePipePrototype().open = () => -24;
  let failed = '';
  try {
    new Poller().close();
  } catch (error) {
    if (error instanceof SystemError) failed = error.message;
  }
  nodePipePrototype().open = open;
  parentPort!.postMessage({ failed, left: readdirSync('/proc/self/fd').length - before }, []);
}
parentPort!.once('message', () => {
  if (order.end === 'process.exit') process.exit(3);
  if (order.end === 'exception') throw new Error('the worker fails');
});
if (order.end !== 'by itself') setInterval(() => {}, 10_000);
