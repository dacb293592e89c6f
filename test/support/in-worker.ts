/**
 * A preload that moves a module into a worker thread: `node --import .../in-worker.js <module>`. The process's own thread only
 * waits for it, and ends as it ends. So the tests of ports run with every port in a worker, their actors' ports too:
 *
 *     node dist/test/run.js process/ --in-worker
 *
 * An actor is talked with over its process's channel, which a worker has none of: what it sends and gets is passed on here, and
 * in the worker the functions of `process` that an actor uses stand for the passing on.
 */
import { Worker, isMainThread, parentPort } from 'node:worker_threads';

const DISCONNECT = 'alpc:test:disconnect';

if (isMainThread) {
  const module = process.argv[1];
  if (module !== undefined) process.exit(await host(module));
} else if (process.env['ALPC_TEST_CHANNEL'] === 'yes') standIn();

/** Runs the module in a worker; what the process is to exit with. */
function host(module: string): Promise<number> {
  const hasChannel = process.send !== undefined;
  const worker = new Worker(module, { argv: process.argv.slice(2), env: { ...process.env, ALPC_TEST_CHANNEL: hasChannel ? 'yes' : 'no' } });
  if (hasChannel) {
    process.on('message', (message: unknown) => worker.postMessage(message, []));
    process.on('disconnect', () => worker.postMessage(DISCONNECT, []));
    worker.on('message', (message: unknown) => {
      if (message === DISCONNECT) process.disconnect();
      else process.send!(message);
    });
  }
  return new Promise((resolve) => {
    worker.on('error', (error) => console.error(error)); // its exit follows
    worker.on('exit', resolve);
  });
}

function standIn(): void {
  const port = parentPort!;
  process.send = (message: unknown) => {
    port.postMessage(message, []);
    return true;
  };
  process.disconnect = () => port.postMessage(DISCONNECT, []);
  Object.defineProperty(process, 'channel', { value: { ref: () => port.ref(), unref: () => port.unref() } });
  const take = (message: unknown): void => {
    if (message === DISCONNECT) process.emit('disconnect');
    else process.emit('message', message, undefined);
  };
  // What comes before anybody listens is kept, as a process's channel keeps it.
  process.on('newListener', (event) => {
    if (event === 'message' && port.listenerCount('message') === 0) port.on('message', take);
  });
}
