/** A server written by hand, in a process of its own: it answers one client, with a welcome of a version that is not spoken. */
import { actorArguments, obey, tell } from '../support/actor.js';
import { HandListener } from './peer.js';

const listener = new HandListener(actorArguments()[0]!);

obey<{ type: 'answer' }>({
  answer: async () => {
    const peer = await listener.accept();
    await peer.answer();
    peer.say(peer.packet({ version: 9 }));
    await peer.hear();
    tell<{ type: 'answered' }>({ type: 'answered' });
  },
});
tell<{ type: 'ready' }>({ type: 'ready' });
