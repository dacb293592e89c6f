/**
 * A client of some user that sends one request with a security level, and tells how it was answered: one that is revoked is followed by word of that.
 * Or it begins work, by a ticket of its own.
 */
import { connectPort, createWorkTicket, type SecurityLevel } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';

export type Order = { type: 'ask'; text: string; level: SecurityLevel | undefined; revoked: boolean } | { type: 'begin'; traceparent: string };
export type News = { type: 'ready' } | { type: 'answered'; text: string };

const [name, root] = actorArguments() as [string, string];
const port = await connectPort(name, { root });
obey<Order>({
  ask: async ({ text, level, revoked }) => {
    const context = level === undefined || !revoked ? undefined : port.createSecurityContext(level);
    const call = port.request(text, level === undefined ? {} : { security: context ?? level });
    context?.revoke();
    if (revoked) await port.post('it is revoked');
    const { data } = await call;
    tell<News>({ type: 'answered', text: data.toString() });
  },
  begin: async ({ traceparent }) => {
    const { data } = await port.request('', { workOnBehalfOf: createWorkTicket({ traceparent }) });
    tell<News>({ type: 'answered', text: data.toString() });
  },
});
tell<News>({ type: 'ready' });
