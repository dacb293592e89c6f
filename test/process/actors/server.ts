/**
 * A server in a process of its own: it does what its requests say (verbs.ts) and takes them in the form that it was told.
 * Its one argument is JSON. On a port that asks, the payload of a connection request tells what becomes of it: 'no ...' is
 * rejected, 'silence' stays undecided, 'late ms' is accepted after a while, and whatever is accepted is its own context.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionRequestMessage, createPort, type CreatePortSyncOptions } from '../../../src/ports/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';
import { blockFor } from '../expect.js';
import { type Form, takeMessages } from '../taking.js';
import { Verbs } from '../verbs.js';

export interface ServerArguments {
  readonly name: string;
  readonly form: Form;
  readonly options?: CreatePortSyncOptions;
}

export type Order =
  /** Does nothing at all for a while, for a test that can't wake it: no message is taken, no bell is heard. */
  | { type: 'freeze'; milliseconds: number }
  | { type: 'close' }
  | { type: 'exit'; code: number };

export type News = { type: 'ready' } | { type: 'frozen' } | { type: 'closed' };

const { name, form, options } = JSON.parse(actorArguments()[0]!) as ServerArguments;
const verbs = new Verbs();
const port = await createPort(name, options);

obey<Order>({
  freeze: async ({ milliseconds }) => {
    tell<News>({ type: 'frozen' });
    await sleep(5); // the news is on its way
    blockFor(milliseconds);
  },
  close: async () => {
    await port.close();
    tell<News>({ type: 'closed' });
  },
  exit: ({ code }) => process.exit(code),
});

tell<News>({ type: 'ready' });
await takeMessages(port, form, (message) => {
  if (message.type === 'connection-request') decide(message);
  else verbs.handle(message);
});

function decide(request: ConnectionRequestMessage): void {
  const data = request.data.toString();
  verbs.journal.push({ what: request.type, text: data });
  const accept = (): void => void request.accept({ context: data, data: `welcome ${data}` });
  if (data.startsWith('no')) request.reject({ data: `not ${data}` });
  else if (data.startsWith('late')) setTimeout(accept, Number(data.split(' ')[1]));
  else if (data !== 'silence') accept();
}
