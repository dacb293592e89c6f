/**
 * The server: a process of its own that counts words for whoever asks, under the name `\RPC Control\wordcount`.
 *
 * A server makes a port, and takes the messages of all its clients from it. Each message says by its `type` what it is, and
 * by `sender` who sent it: the process id there was written down by the kernel when the client connected, so no client can
 * pretend to be another one. The reply goes back to whoever asked, and wakes it if it went to sleep meanwhile. Whether that
 * client waits with its thread blocked, or goes on with other things and gets a promise settled, the server neither sees
 * nor cares.
 *
 * A client that ends, in whatever way, is the end of a connection: that is a message too, the last one of this client, and
 * never an error in the server.
 */
import { type CommunicationPort, createPort } from '../../src/index.js';
import { PieceCounter } from './words.js';

const counter = new PieceCounter();
/** How many calls each client made that is connected now. */
const calls = new Map<CommunicationPort, number>();

// Who may connect is decided by the port's security: when nothing is said, the same user and nobody else (but root).
const port = await createPort('\\RPC Control\\wordcount');

port.on('message', (message) => {
  switch (message.type) {
    case 'request':
      // `message.port` is the connection that it came through. An answer may also be given later, in any order.
      calls.set(message.port, (calls.get(message.port) ?? 0) + 1);
      message.reply(counter.answer(message.data));
      break;
    case 'port-closed':
      if (message.reason === 'died') {
        console.log(`a client died (pid ${message.sender.pid}) after ${calls.get(message.port) ?? 0} calls; the others go on`);
      }
      calls.delete(message.port);
      break;
  }
});

// The rest is between the server and the process that started it: that it is ready now, what it has done when it is asked,
// and that it closes its port, and so ends, when that process lets go of it or is gone.
process.on('message', () => process.send!(counter.figures()));
process.on('disconnect', () => void port.close());
process.send!('ready');
