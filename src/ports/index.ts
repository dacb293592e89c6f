/** The public door of the ports floor. */
export { createPort, createPortSync, ConnectionPort } from './connection-port.js';
export type { CreatePortOptions, CreatePortSyncOptions, Message } from './connection-port.js';
export { connectPort, connectPortSync, ClientPort } from './client-port.js';
export type { ConnectOptions, ConnectSyncOptions, RequiredServer } from './client-port.js';
export { ServerPort } from './server-port.js';
export { CommunicationPort } from './communication-port.js';
export type { CommunicationPortInformation, PostOptions, RequestOptions, RequestSyncOptions } from './communication-port.js';
export type { ConnectionMessage } from './connection.js';
export { ConnectionRequestMessage } from './connection-request.js';
export type { AcceptOptions, RejectOptions } from './connection-request.js';
export { CanceledMessage, ClientDiedMessage, DatagramMessage, PortClosedMessage, ReplyMessage, RequestMessage } from './message.js';
export type { EndReason, ReplyOutcome } from './message.js';
export type { PeerIdentity } from './peer-identity.js';
export type { PortLimits } from './limits.js';
export type { SpinOptions } from './spin-options.js';
export type { ReceiveOptions } from './intake.js';
export { MAX_DATA_LENGTH, MAX_MESSAGE_LENGTH } from '../memory/layout.js';
