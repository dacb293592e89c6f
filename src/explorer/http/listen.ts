/** Where the explorer's page is served: on the loopback address alone. */
import type { Server } from 'node:http';

/** Always the same, so that what the browser keeps for the page's address (where one was, the quick access) is found again. Below the kernel's own choices. */
export const EXPLORER_PORT = 25_720;

/** @param port 0: where the kernel chooses; left out, on `EXPLORER_PORT`, or where the kernel chooses while somebody else listens there */
export async function listen(server: Server, port: number | undefined): Promise<void> {
  try {
    await listenOn(server, port ?? EXPLORER_PORT);
  } catch (error) {
    if (port !== undefined || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    await listenOn(server, 0);
  }
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Where it listens. */
export function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}
