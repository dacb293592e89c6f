/**
 * alpc/rpc: typed calls between processes, over ports. See docs/rpc.md.
 */
export { AlpcError } from '../base/errors.js';
export { bind, bindSync } from './client.js';
export type { BindOptions, BindSyncOptions, ReconnectOptions } from './client.js';
export { Binding } from './binding.js';
export type { BindingEvents, BindingState } from './binding.js';
export type { CallOptions, Client, ClientCall, ClientMethod, ClientOneWay, ItemsOptions, StreamOptions, SyncCallOptions } from './client-types.js';
export type { CallContext } from './call-context.js';
export { ContextHandle } from './context-handle.js';
export { Fault, RemoteError } from './faults.js';
export type { FaultsOf, ThrownFaultsOf } from './faults.js';
export { call, defineInterface, Interface, oneWay, stream } from './interface.js';
export type { CallMethod, ErrorSchemas, InterfaceName, Method, Methods, OneWayMethod, StreamMethod } from './interface.js';
export { Management } from './management.js';
export type { InterfaceEntry, ServerStatistics } from './management.js';
export { EndpointMapper, mapEndpoints } from './mapper.js';
export type { MapOptions, MapQuery } from './mapper.js';
export { implement, Offer, pooled } from './offer.js';
export type { AnyOffer, Handler, Handlers, OfferOptions, SecurityCallback, ServerCall, ServerInterceptor } from './offer.js';
export { poolHandler } from './pool.js';
export type { PoolHandlerOptions } from './pool.js';
export type { RpcLimitOptions } from './rpc-limits.js';
export { type } from './schema.js';
export type { InputOf, OutputOf, Schema } from './schema.js';
export { serve, Server } from './server.js';
export type { ServeOptions, ServerEvents } from './server.js';
