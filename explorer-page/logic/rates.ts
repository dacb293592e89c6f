/** How much passes over a port in a second: the difference of two pictures, connection by connection, so that one that ends or begins between them is no jump. */
import type { ConnectionDetails, PortDetails } from '../../src/explorer/model.js';

export interface Rates {
  /** Missing before there are two pictures. */
  clientToServer?: number;
  serverToClient?: number;
  bytesPerSecond?: number;
}

export class RatesOfPort {
  #last: PortDetails | undefined;
  #rates: Rates = {};

  get rates(): Rates {
    return this.#rates;
  }

  push(port: PortDetails | undefined): void {
    const last = this.#last;
    if (port === undefined || (last !== undefined && Date.parse(port.at) <= Date.parse(last.at))) return;
    this.#last = port;
    if (last === undefined) return;
    const seconds = (Date.parse(port.at) - Date.parse(last.at)) / 1000;
    const before = new Map(last.connections.map((connection) => [connection.id, connection]));
    const passed = (what: (connection: ConnectionDetails) => number): number =>
      port.connections.reduce((sum, connection) => sum + Math.max(0, what(connection) - (before.has(connection.id) ? what(before.get(connection.id)!) : 0)), 0) / seconds;
    this.#rates = {
      clientToServer: passed(({ client }) => client.outbox?.sent.messages ?? 0),
      serverToClient: passed(({ server }) => server.outbox?.sent.messages ?? 0),
      bytesPerSecond: passed(({ client, server }) => (client.outbox?.sent.bytes ?? 0) + (server.outbox?.sent.bytes ?? 0)),
    };
  }
}
