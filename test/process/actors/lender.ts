/**
 * A server that answers with all the memory that it has, and with a file: to 'stall f' when the file f is there, and hears nothing until then. To 'how'
 * it tells how the last answer ended, how much of its memory is free, and how many handles are out.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import { createPort, type RequestMessage } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';
import { blockFor } from '../expect.js';

export type Order = { type: 'none' };
export type News = { type: 'ready' };

const SIZE = 1 << 16;
const state = { outcome: '' };
const port = await createPort(actorArguments()[0]!);
const sections = new WeakMap<object, ReturnType<typeof port.createSection>>();

function lend(message: RequestMessage, file: string): void {
  while (!existsSync(file)) blockFor(1);
  const section = sections.get(message.port) ?? message.port.createSection(SIZE);
  sections.set(message.port, section);
  const handle = openSync('/proc/self/exe', 'r');
  const view = section.createView(SIZE);
  view.bytes.fill(7);
  state.outcome = message.reply('lent', { view, autoRelease: true, handles: [handle] });
  closeSync(handle);
}

port.on('message', (message) => {
  if (message.type !== 'request') return;
  const [verb, file = ''] = message.data.toString().split(' ');
  if (verb === 'stall') lend(message, file);
  else message.reply(`${state.outcome}, ${sections.get(message.port)!.free / SIZE} free, ${message.port.info().handlesOut} out`);
});
obey<Order>({ none: () => {} });
tell<News>({ type: 'ready' });
