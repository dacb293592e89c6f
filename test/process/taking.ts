/**
 * The ways to take messages from a port, as one function: whatever is tested of one is tested of all. `receiveSync` is taken
 * in a loop that lets the event loop turn now and then, so that an actor hears its orders.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ConnectionPort } from '../../src/ports/connection-port.js';
import type { ReceivingPort } from '../../src/ports/receiving-port.js';
import { nameOf } from './expect.js';

export const FORMS = ['on', 'iterate', 'receive', 'receiveSync'] as const;
export type Form = (typeof FORMS)[number];

/** The port's messages. */
type Taken<P extends ConnectionPort | ReceivingPort> = Awaited<ReturnType<P['receive']>>;

/** Hands every message to `handle` until the port is over. */
export async function takeMessages<P extends ConnectionPort | ReceivingPort>(port: P, form: Form, handle: (message: Taken<P>) => unknown): Promise<void> {
  if (form === 'on') {
    port.on('message', handle);
    await once(port, 'close');
  } else if (form === 'iterate') {
    for await (const message of port) handle(message as Taken<P>);
  } else {
    for (;;) {
      try {
        const message = form === 'receive' ? await port.receive() : port.receiveSync({ timeout: 20 });
        handle(message as Taken<P>);
      } catch (error) {
        if (nameOf(error) === 'ERR_ALPC_CLOSED' || nameOf(error) === 'ERR_ALPC_DISCONNECTED') return;
        if (nameOf(error) !== 'ERR_ALPC_TIMEOUT') throw error;
        await nextTurn();
      }
    }
  }
}
