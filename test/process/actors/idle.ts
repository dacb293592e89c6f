/**
 * A process that has a port and nothing else to do. Its arguments: what it is ('client' or 'server'), whether its port is
 * referenced, and what it does with it before it is left alone ('nothing', 'listen', 'await' a reply that never comes, 'receive' what never comes, within a time that is long, by itself or from a completion list, 'traffic';
 * a client also 'call' what is not answered, 'post' where there is no room and 'allot' a view that does not come free, all within a time that is long; 'block'
 * in a wait that never ends, a server in `receiveSync` and a client in `requestSync`; 'worker': the same in a worker thread).
 * It tells 'idle' when it has nothing more to do, and on order how much processor time it uses while it does nothing, unless it blocks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ClientPort, connectPort, ConnectionPort, createPort } from '../../../src/index.js';
import { pageSize } from '../../../src/platform/descriptors.js';
import { actorArguments } from '../../support/actor.js';
import { numbers, outcomeOf } from '../expect.js';
import { NAME } from '../serving.js';
import { Verbs } from '../verbs.js';

export type Order = { type: 'measure'; milliseconds: number };
export type News = { type: 'idle' } | { type: 'used'; microseconds: number };

const [role, reference, activity] = actorArguments() as ['client' | 'server', 'ref' | 'unref', 'nothing' | 'listen' | 'await' | 'receive' | 'list' | 'traffic' | 'call' | 'post' | 'allot' | 'block' | 'worker'];
/** Longer than any test waits. */
const LONG = 600_000;
const block = (): unknown => (port instanceof ConnectionPort ? port.receiveSync() : port.requestSync('hold'));
const port: ClientPort | ConnectionPort = role === 'server' ? await createPort(NAME) : await connectPort(NAME, { limits: { ringLength: pageSize() } });
if (activity === 'receive') void outcomeOf(port.receive({ timeout: LONG }));
if (activity === 'list') void outcomeOf(port.registerCompletionList().wait({ timeout: LONG }));
if (role === 'server' && !['block', 'receive', 'list'].includes(activity)) (port as ConnectionPort).on('message', new Verbs().handle);
if (role === 'client') {
  const client = port as ClientPort;
  if (activity === 'listen') client.on('message', () => {});
  if (activity === 'await') void outcomeOf(client.request('hold'));
  if (activity === 'call') void outcomeOf(client.request('hold', { timeout: LONG }));
  if (activity === 'post') {
    while (client.tryPost(Buffer.alloc(500)) === 'sent');
    void outcomeOf(client.post(Buffer.alloc(600), { timeout: LONG }));
  }
  if (activity === 'allot') {
    const section = client.createSection(pageSize());
    client.postSync('', { view: section.createView(pageSize()), autoRelease: true });
    void outcomeOf(section.waitForView(1, { timeout: LONG }).then(() => undefined));
  }
  if (activity === 'traffic') {
    for (const number of numbers(500)) {
      await client.request(`echo ${number}`);
      client.requestSync('nothing');
    }
  }
}
if (reference === 'unref') port.unref();
if (port.hasRef() !== (reference === 'ref')) throw new Error('hasRef says otherwise');
process.on('message', ({ milliseconds }: Order) => void measure(milliseconds));
process.send!({ type: 'idle' } satisfies News);
const thread = activity === 'worker' ? new Worker(new URL('./blocked-thread.js', import.meta.url), { workerData: { name: NAME } }) : undefined;
thread?.unref();
if (activity === 'block') setTimeout(block, 50); // the news is on its way
process.channel!.unref(); // from here on only the port can keep this process

async function measure(milliseconds: number): Promise<void> {
  await sleep(100); // whatever lingers goes to rest
  const before = process.cpuUsage();
  await sleep(milliseconds);
  const { user, system } = process.cpuUsage(before);
  process.send!({ type: 'used', microseconds: user + system } satisfies News);
}
