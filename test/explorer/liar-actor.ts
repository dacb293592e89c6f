/** A process that shows the explorer figures of others' connections: in memory that it made, and in memory that another has open because it was sent there. */
import { createPort, type ConnectionPort } from '../../src/index.js';
import { Control } from '../../src/memory/layout.js';
import { Outbox } from '../../src/memory/outbox.js';
import { thisThread } from '../../src/ports/thread.js';
import { obey, tell } from '../support/actor.js';

/** Whose figures they are said to be: the client's by its socket, the server's by the number of the client's outbox. */
interface Claim {
  readonly name: string;
  readonly ownerPid: number;
  readonly socket?: number;
  readonly connection?: number;
}
export type Order =
  | { type: 'serve'; name: string }
  /** In a memory file of its own, named and sealed as it must be. */
  | { type: 'publish'; claim: Claim }
  /** In the outbox of its first connection, which its client has open. */
  | { type: 'pretend'; claim: Claim };
export type News = { type: 'ready' };

/** What no honest process here says. */
const MANY = 1_000_000;

const ports: ConnectionPort[] = [];
const outboxes: Outbox[] = [];

obey<Order>({
  async serve({ name }) {
    ports.push(await createPort(name));
    tell<News>({ type: 'ready' });
  },
  publish({ claim }) {
    const outbox = Outbox.create(thisThread().arena, `alpc:${claim.name}`, 4096, 0);
    outboxes.push(outbox);
    say(outbox, claim);
    tell<News>({ type: 'ready' });
  },
  pretend({ claim }) {
    const [first] = [...thisThread().connections.values()].flatMap((connections) => [...connections]);
    say(first!.link.own, claim);
    tell<News>({ type: 'ready' });
  },
});

function say(outbox: Outbox, { ownerPid, socket, connection }: Claim): void {
  outbox.words[Control.role] = connection === undefined ? 0 : 1;
  outbox.words[Control.ownerPid] = ownerPid;
  if (socket !== undefined) outbox.name('socketLow', socket);
  if (connection !== undefined) outbox.name('connectionLow', connection);
  outbox.words[Control.sentMessages] = MANY;
  outbox.words[Control.requests] = MANY;
}

void ports;
