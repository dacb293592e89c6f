/** A server of some user in some groups, who lets whoever asks act in its name: by the answer. */
import { createPort } from '../../../src/index.js';
import { becomeMemberOf } from '../../platform/raw.js';
import { actorArguments, obey, tell } from '../../support/actor.js';

export type Order = { type: 'none' };
export type News = { type: 'ready' };

const [name, root, user, groups] = actorArguments() as [string, string, string, string];
if (becomeMemberOf(groups.split(',').map(Number)) !== 'ok') throw new Error('the groups could not be set');
process.setgid!(Number(user));
process.setuid!(Number(user));
const port = await createPort(name, { root });
port.on('message', (message) => {
  if (message.type === 'request') message.reply('in my name', { security: 'impersonate' });
});
obey<Order>({ none: () => {} });
tell<News>({ type: 'ready' });
