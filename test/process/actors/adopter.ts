/** A process that takes handles over: HTTP connections and servers, events, files. It tells what it got, and serves on. */
import { closeSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { Socket } from 'node:net';
import { createPort, type HandleKind, type Message, openEvent } from '../../../src/index.js';
import { actorArguments, obey, tell } from '../../support/actor.js';

export type Order = { type: 'fill'; room: number } | { type: 'close' };
export type News = { type: 'ready' } | { type: 'took'; kinds: readonly HandleKind[]; text: string } | { type: 'done' } | { type: 'waits' } | { type: 'gone'; reason: string };

const [name] = actorArguments() as [string];
const http = createServer((request, response) => response.end(`${request.url} of process ${process.pid}`));
const port = await createPort(name, { accepts: ['file', 'socket', 'server', 'event', 'pipe'], limits: { handles: 64 } });
port.on('message', (message: Message) => void handle(message));
port.on('disconnect', (_, reason) => tell<News>({ type: 'gone', reason }));

async function handle(message: Message): Promise<void> {
  if (message.type !== 'request') return;
  const { handles } = message;
  const { kinds } = handles;
  let text = '';
  if (kinds[0] === 'socket') http.emit('connection', new Socket({ fd: handles.take(0, 'socket'), readable: true, writable: true }));
  if (kinds[0] === 'server') await listen(http, handles.take(0, 'server'));
  if (kinds[0] === 'file') {
    const fd = handles.take(0, 'file');
    text = readFileSync(fd, 'utf8');
    closeSync(fd);
  }
  if (kinds[0] === 'event') {
    using event = openEvent({ fd: handles.take(0, 'event') });
    if (String(message.data) === 'wait') {
      tell<News>({ type: 'waits' });
      event.waitSync();
    } else event.set();
  }
  message.release();
  message.reply(text);
  tell<News>({ type: 'took', kinds, text });
}

async function listen(server: Server, fd: number): Promise<void> {
  await new Promise<void>((resolve) => server.listen({ fd }, () => resolve()));
}

const filling: number[] = [];
obey<Order>({
  fill: async ({ room }) => {
    const { openSync } = await import('node:fs');
    if (room === Infinity) for (const fd of filling.splice(0)) closeSync(fd);
    else {
      for (;;) {
        try {
          filling.push(openSync('/dev/null', 'r'));
        } catch {
          break;
        }
      }
      for (const fd of filling.splice(0, room)) closeSync(fd);
    }
    tell<News>({ type: 'done' });
  },
  close: async () => {
    http.close();
    http.closeAllConnections();
    await port.close();
    tell<News>({ type: 'done' });
    process.disconnect();
  },
});
tell<News>({ type: 'ready' });
