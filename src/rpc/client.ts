/**
 * `bind` connects to a server and binds an interface: what it returns has the interface's methods as functions.
 *
 *     const spooler = await bind(Spooler, 'ncalrpc:[spooler]');
 *     await spooler.print({ pages: 3 }, { timeout: 1000 });
 *     spooler.print.sync({ pages: 3 });
 *     for await (const change of spooler.watch({})) ...
 *     spooler.close();
 */
import { checkSignal, checkTimeout } from '../base/arguments.js';
import { clientOf } from './binding.js';
import type { Client } from './client-types.js';
import { type BindOptions, type BindSyncOptions, ConnectionMaker } from './connection-maker.js';
import type { Interface, Methods } from './interface.js';
import { MAPPER } from './mapper.js';

export type { BindOptions, BindSyncOptions, ReconnectOptions } from './connection-maker.js';

/**
 * Connects to a server and binds an interface. RpcBindingFromStringBinding and the first call.
 * @param binding `ncalrpc:[endpoint]`, `ncalrpc:[\Name\of\port]`, or `ncalrpc:` for whoever has the interface
 * @returns the client; the caller closes it
 * @throws AlpcError (as rejections) what `connectPort` throws; ERR_ALPC_NOT_REGISTERED when no server has the interface;
 *   ERR_ALPC_UNKNOWN_INTERFACE when the server does not, or in another version; ERR_ALPC_ACCESS_DENIED by its security callback
 */
export async function bind<M extends Methods>(of: Interface<M>, binding: string, options?: BindOptions): Promise<Client<M>> {
  const maker = new ConnectionMaker(of, binding, options, MAPPER, 'awaited');
  const connected = await maker.connect(checkTimeout(options?.timeout, 'options.timeout'), checkSignal(options?.signal, 'options.signal'));
  return clientOf(of, maker.bindingOver(connected));
}

/** As `bind`, but blocks this thread. @throws AlpcError what `bind` rejects with */
export function bindSync<M extends Methods>(of: Interface<M>, binding: string, options?: BindSyncOptions): Client<M> {
  const maker = new ConnectionMaker(of, binding, options, MAPPER, 'blocking');
  return clientOf(of, maker.bindingOver(maker.connectSync(checkTimeout(options?.timeout, 'options.timeout'))));
}
