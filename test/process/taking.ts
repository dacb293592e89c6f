/**
 * The ways to take messages from a port, as one function: whatever is tested of one is tested of all. `receiveSync` is taken
 * in a loop that lets the event loop turn now and then, so that an actor hears its orders.
 */
import type { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectionPort } from '../../src/ports/index.js';
import { nameOf } from './expect.js';

export const FORMS = ['on', 'iterate', 'receive', 'receiveSync'] as const;
export type Form = (typeof FORMS)[number];

/** The calls that block a thread. */
export const BLOCKING = ['requestSync', 'receiveSync', 'postSync', 'connectPortSync', 'server receiveSync'] as const;
export type Blocking = (typeof BLOCKING)[number];

/** A port that receives: a connection port, a client's, an unconnected one. */
export interface Receiving<M> extends AsyncIterable<M> {
  on(event: 'message', listener: (message: M) => void): unknown;
  receive(): Promise<M>;
  receiveSync(options?: { timeout?: number }): M;
}

/** Hands every message to `handle` until the port is over. */
export async function takeMessages<M extends { readonly type: string }>(port: Receiving<M> & EventEmitter, form: Form, handle: (message: M) => unknown): Promise<void> {
  if (form === 'on') {
    await new Promise<void>((resolve) => {
      port.on('message', (message) => {
        handle(message);
        if (message.type === 'port-closed' && !(port instanceof ConnectionPort)) resolve();
      });
      // A peer's end is told at once, and the last messages come after it.
      port.on('close', (reason?: string) => (reason === undefined || reason === 'closed') && resolve());
    });
  } else if (form === 'iterate') {
    for await (const message of port) handle(message);
  } else {
    for (;;) {
      try {
        handle(form === 'receive' ? await port.receive() : port.receiveSync({ timeout: 20 }));
      } catch (error) {
        if (nameOf(error) === 'ERR_ALPC_CLOSED' || nameOf(error) === 'ERR_ALPC_DISCONNECTED') return;
        if (nameOf(error) !== 'ERR_ALPC_TIMEOUT') throw error;
        await nextTurn();
      }
    }
  }
}
