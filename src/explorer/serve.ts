/**
 * The explorer's page, for whoever wants it served. The HTTP server and the framework under it are loaded with the first call: they are
 * a quarter of what a process that only inspects would have to load.
 */
import type { ExplorerOptions, ExplorerServer } from './http/server.js';

export type { ExplorerOptions, ExplorerServer };

/**
 * Serves the explorer's page to this user, on 127.0.0.1, to whoever has the link with its token. It reads, and changes nothing.
 * @param options where to listen, how often to look, a signal that closes it
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NAME_NOT_FOUND when there is no root where `root` or `$ALPC_ROOT` says; the error of `node:net` when it can't listen there
 */
export async function serveExplorer(options?: ExplorerOptions): Promise<ExplorerServer> {
  const server = await import('./http/server.js');
  return server.serveExplorer(options);
}
