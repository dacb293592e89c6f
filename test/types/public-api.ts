/**
 * The types of the public interface, held by compiling this file: what must work compiles, what must not is marked so and
 * fails to compile the moment that it works. Nothing here runs.
 */
import type { AlpcError, ClientPort, ConnectionPort, Message, ReplyMessage, RequestMessage } from '../../src/index.js';

/** One and the same type: `any`, which goes for each type, is equal to none but itself. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a type that depends on one that is not known is compared without a look inside
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Holds<T extends true> = T;

export type Types = [
  // @ts-expect-error what is any does not hold
  Holds<Equal<ReturnType<typeof JSON.parse>, string>>,
  Holds<Equal<Awaited<ReturnType<ClientPort['request']>>, ReplyMessage>>,
  Holds<Equal<ReturnType<ClientPort['requestSync']>, ReplyMessage>>,
  Holds<Equal<ReturnType<ClientPort['tryPost']>, 'sent' | 'full' | 'disconnected'>>,
  Holds<Equal<ReturnType<RequestMessage['reply']>, 'sent' | 'canceled' | 'disconnected'>>,
  Holds<Equal<Message['type'], 'request' | 'datagram' | 'connection-request' | 'canceled' | 'port-closed' | 'client-died'>>,
  Holds<Equal<Extract<Message, { type: 'request' }>, RequestMessage>>,
  Holds<Equal<ReturnType<ConnectionPort['tryReceive']>, Message | undefined>>,
  Holds<Equal<AlpcError['code'] extends string ? true : false, true>>,
];

export function uses(port: ConnectionPort, client: ClientPort, message: Message): void {
  port.on('message', (received) => void (received.type === 'request' && received.reply(received.data)));
  if (message.type === 'request') message.reply('text');
  if (message.type === 'connection-request') message.accept({ context: 1 });
  // @ts-expect-error a datagram can't be answered
  if (message.type === 'datagram') message.reply('text');
  // @ts-expect-error a payload is bytes or text
  void client.request(42);
  // @ts-expect-error a blocking call can't be ended by a signal
  client.requestSync('data', { signal: new AbortController().signal });
  // @ts-expect-error there is no such option
  void client.request('data', { tiemout: 5 });
  // @ts-expect-error a server's identity is given by numbers
  void ({ uid: 'root' } satisfies { uid?: number });
}
