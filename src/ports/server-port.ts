/**
 * The server's end of one client's connection: the way to send to this one client, and to end its connection. What the
 * client sends is received from the connection port. A server gets it as `message.port`, and from `accept`.
 */
import { checkFunction } from '../base/arguments.js';
import { CommunicationPort } from './communication-port.js';
import type { Connection } from './connection.js';

/** The server communication port. */
export class ServerPort extends CommunicationPort {
  readonly #connection: Connection;
  readonly #hasRef: () => boolean;
  readonly #onClosed: () => void;

  /** Engine room: made by a connection port. */
  constructor(connection: Connection, hasRef: () => boolean, onClosed: () => void) {
    super(connection);
    this.#connection = connection;
    this.#hasRef = hasRef;
    this.#onClosed = onClosed;
  }

  /** What `accept` was given; also `message.portContext`. */
  get context(): unknown {
    return this.#connection.context;
  }

  /** Gets the client's requests while a blocking call of this port waits; undefined leaves them to be received. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
  set onCallback(handler: Connection['onCallback']) {
    this.#connection.onCallback = handler === undefined ? undefined : checkFunction(handler, 'onCallback');
  }

  /**
   * Ends this client's connection: it gets `port-closed`, its outstanding calls ERR_ALPC_DISCONNECTED. What it sent and was
   * not received is dropped, and no `port-closed` comes here: this side knows. Never waits. NtAlpcDisconnectPort.
   */
  disconnect(): void {
    this.#connection.close();
    this.#onClosed();
  }

  hasRef(): boolean {
    return this.#hasRef();
  }

  [Symbol.dispose](): void {
    this.disconnect();
  }
}
