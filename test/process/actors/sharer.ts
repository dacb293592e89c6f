/** A process of some user that shares memory with others: under a name, and by views. It tells what it sees, or the code of its error. */
import { AlpcError, connectPort, createNamedSection, createPort, openNamedSection, type OpenNamedSectionOptions, type SecurityOptions, type View } from '../../../src/index.js';
import { obey, tell } from '../../support/actor.js';

export type Order =
  | { type: 'make'; name: string; security?: SecurityOptions }
  | { type: 'open'; name: string; options?: OpenNamedSectionOptions }
  | { type: 'write'; value: number }
  | { type: 'read' }
  | { type: 'publish'; name: string; secure: boolean }
  | { type: 'fetch'; name: string };
export type News = { type: 'ready' } | { type: 'told'; outcome: string };

const state = { view: undefined as View | undefined };

async function telling(action: () => string | Promise<string>): Promise<void> {
  try {
    tell<News>({ type: 'told', outcome: await action() });
  } catch (error) {
    tell<News>({ type: 'told', outcome: AlpcError.is(error) ? error.code : String(error) });
  }
}

obey<Order>({
  make: ({ name, security }) => telling(() => {
    state.view = createNamedSection(name, 4096, security === undefined ? {} : { security }).createView();
    return 'made';
  }),
  open: ({ name, options }) => telling(() => {
    const section = openNamedSection(name, options);
    state.view = section.createView();
    return section.writable ? 'writable' : 'read-only';
  }),
  write: ({ value }) => telling(() => {
    const view = state.view!;
    Atomics.store(new Int32Array(view.buffer), 0, value);
    view.notify(0);
    return 'written';
  }),
  read: () => telling(() => String(Atomics.load(new Int32Array(state.view!.buffer), 0))),
  publish: ({ name, secure }) => telling(async () => {
    const port = await createPort(name, { security: { allow: [{ user: 'everyone', rights: ['connect'] }] } });
    const view = (state.view = port.createSection(4096, { secure }).createView(4096));
    view.bytes.fill(7);
    port.on('message', (message) => {
      if (message.type === 'request') message.reply(`user ${message.sender.uid}`, { view }); // one and the same for all
    });
    return 'published';
  }),
  fetch: ({ name }) => telling(async () => {
    const port = await connectPort(name, { accepts: ['view'] });
    const { data, view } = await port.request('');
    const all = view!.bytes.every((byte) => byte === 7) ? 'all sevens' : 'something else';
    state.view = view!;
    return `${data.toString()}: ${view!.length} bytes, ${all}, secure ${view!.secure}, writable ${view!.writable}`;
  }),
});
tell<News>({ type: 'ready' });
