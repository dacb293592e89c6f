/** A worker that has nothing to do but to wait for one thing; then it ends by itself. */
import { parentPort, workerData } from 'node:worker_threads';
import { connectPort } from '../../src/index.js';

const { name, what } = workerData as { name: string; what: 'request' | 'receive' | 'request without reference' };

const tell = (news: string): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
  parentPort!.postMessage(news);
};

const client = await connectPort(name);
if (what === 'request without reference') {
  client.unref();
  void client.request('and who waits?').then(({ data }) => tell(String(data)));
} else {
  if (what === 'receive') await client.post('tell me');
  const { data } = what === 'receive' ? await client.receive() : await client.request('tell me');
  tell(String(data));
  client.close();
}
