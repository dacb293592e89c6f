/** A server in a chain: it answers with what it saw of for whom it works and through whom the work came, and behind it what the next one saw. */
import { connectPort, createPort, type RequestMessage, WorkTicket } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';
import { outcomeOf } from '../expect.js';

export type Order = { type: 'none' };
export type News = { type: 'ready' };

export interface RelayArguments {
  readonly name: string;
  readonly root: string;
  /** Whom it hands the work on to; the last one does not. */
  readonly next?: string;
  /** The span that it continues the trace with, if it has one of its own. */
  readonly span?: string;
  /** It tries to pass the work off as that of these first. */
  readonly victims?: readonly { pid: number; uid: number }[];
}

export interface Sight {
  readonly server: number;
  readonly sender: number;
  readonly ticket: { pid: number; uid: number; hops: number; traceparent?: string };
  /** How each attempt to name somebody else ended. */
  readonly claims: string[];
  /** Messages that came besides. */
  readonly strays: number;
}

const { name, root, next, span, victims = [] } = JSON.parse(actorArguments()[0]!) as RelayArguments;
const state = { strays: 0 };
const port = await createPort(name, { root, accepts: ['work'], security: { allow: [{ user: 'everyone', rights: ['connect'] }] } });
const onward = next === undefined ? undefined : await connectPort(next, { root });

/** By a ticket of its own, and by what only looks like one that came. */
async function claimsOf({ traceparent }: WorkTicket): Promise<string[]> {
  const claims = victims.flatMap(({ pid, uid }) => [new WorkTicket(pid, uid, 0, traceparent), { pid, uid, hops: 1, traceparent } as WorkTicket]);
  return Promise.all(claims.map((workOnBehalfOf) => outcomeOf(onward!.post('', { workOnBehalfOf }))));
}

async function relay(message: RequestMessage): Promise<void> {
  const ticket = message.workOnBehalfOf!;
  const { pid, uid, hops, traceparent } = ticket;
  const claims = await claimsOf(ticket);
  const sight: Sight = { server: process.pid, sender: message.sender.pid, ticket: { pid, uid, hops, ...(traceparent === undefined ? {} : { traceparent }) }, claims, strays: state.strays };
  const workOnBehalfOf = span === undefined ? ticket : ticket.withTraceparent(traceparent!.replace(/-[0-9a-f]{16}-/, `-${span}-`));
  const behind = onward === undefined ? [] : (JSON.parse(String((await onward.request('', { workOnBehalfOf })).data)) as Sight[]);
  message.reply(JSON.stringify([sight, ...behind]));
}

port.on('message', (message) => {
  if (message.type === 'request') void relay(message);
  else state.strays++;
});
obey<Order>({ none: () => {} });
tell<News>({ type: 'ready' });
