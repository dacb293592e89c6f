/** The public door of the notification floor. */
import './port-methods.js';

export { CallbackObject, CallbackRegistration, createCallback, openCallback } from './callback-object.js';
export type { CallbackFunction, CreateCallbackOptions } from './callback-object.js';
export { createEvent, Event, openEvent } from './event.js';
export type { CreateEventOptions, EventKind, SharedEvent } from './event.js';
export { MAX_WAIT_EVENTS, waitForAll, waitForAllSync, waitForAny, waitForAnySync } from './several-events.js';
export type { WaitOptions, WaitSyncOptions } from './waiting.js';
export { CompletionList } from './completion-list.js';
export { ThreadPool } from './thread-pool.js';
export type { ThreadPoolEvents, ThreadPoolOptions, ThreadPoolStatistics } from './thread-pool.js';
export { CompletionPort } from './completion-port.js';
export type { CompletionPortHandle, CompletionPortInformation, CompletionPortOptions, DequeueOptions, DequeueSyncOptions } from './completion-port.js';
export { PostedPacket, RequestPacket } from './packet.js';
export type { CanceledPacket, ClientDiedPacket, DatagramPacket, Packet, PacketSender, PortClosedPacket, SharedRequest } from './packet.js';
export type { CompletionListOptions, CompletionListWaitOptions, LastMessage } from './completion-list.js';
