/**
 * RPC on a thread pool: the handler module of a `ThreadPool`, made from offers. It serves two kinds of work.
 *
 * What a server leaves to the pool (`serve([pooled(of, pool)])`) comes through a relay, which keeps the connection: see pool-thread.ts.
 *
 * Packets of a port that is associated with the pool's completion port come without one. Each thread has all of the offers, so it can answer any
 * bind or call by itself; what belongs to a connection is not there, for the connection is another thread's. So there are calls and
 * one-way calls, whose values fit into one message; no streams, no context handles, no callbacks, and nobody tells a handler that its caller
 * gave up (its deadline it knows). A client is told: it has no stream methods, and the rest fails with a typed error. A security callback is
 * asked for each call.
 *
 *     // handler.js
 *     export default poolHandler([implement(Hasher, { hash: (text) => ... })]);
 */
import { AlpcError } from '../base/errors.js';
import type { Packet, RequestPacket } from '../notification/index.js';
import { CallContext, type ContextHost, NotHere } from './call-context.js';
import { Codec } from './codec.js';
import { describeFault, Fault } from './faults.js';
import { extraOf, Flag, flagsOf, FOREVER, Kind, kindOf, procedureOf } from './frame.js';
import { admit, type AnyOffer, checkOffers, type Offer, OfferTable, type Procedure, type ServerInterceptor } from './offer.js';
import { PoolThread } from './pool-thread.js';
import { checkRpcLimits, type RpcLimitOptions } from './rpc-limits.js';
import { run } from './serving.js';
import { PeerIdentity } from '../ports/peer-identity.js';

export interface PoolHandlerOptions {
  interceptors?: readonly ServerInterceptor[];
  limits?: RpcLimitOptions;
  /** Whether callers may see where a handler failed; true by default. */
  stacks?: boolean;
  /** Told of errors of one-way calls. */
  onError?: (error: unknown) => void;
}

/** The default export of a thread pool's module. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
export function poolHandler(offers: readonly AnyOffer[], options: PoolHandlerOptions = {}): (packet: Packet) => Promise<void> {
  const { interceptors = [], limits, stacks = true, onError } = options;
  const table = new OfferTable(checkOffers(offers, 'offers'), interceptors);
  const codec = new Codec(checkRpcLimits(limits));

  const thread = new PoolThread({ table, codec, hasStacks: stacks });

  return async (packet) => {
    if (packet.type === 'posted') await thread.take(packet.data);
    else if (packet.type === 'request') await answer(packet);
    else if (packet.type === 'datagram' && kindOf(packet.data) === Kind.oneWay) {
      try {
        await call(packet.data, 'one-way', hostOf(packet.sender));
      } catch (error) {
        onError?.(error);
      }
    }
  };

  async function answer(packet: RequestPacket): Promise<void> {
    let frame: Buffer;
    let procedure: Procedure | undefined;
    try {
      const host = hostOf(packet.sender);
      if (kindOf(packet.data) === Kind.bind) {
        const { offer, request } = table.find(codec.value(packet.data));
        await admitted(offer, host);
        const procedures = table.numbersOf(offer, request).map((number, i) => (request.methods[i]![1] === 'stream' ? -1 : number));
        frame = codec.frame(Kind.response, 0, 0, 0, 0, { version: offer.interface.version, procedures });
      } else {
        if (kindOf(packet.data) === Kind.stream) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `a port that is associated with a completion port serves no streams. ${RELAY}`);
        if (kindOf(packet.data) !== Kind.call || (flagsOf(packet.data) & (Flag.long | Flag.viewed)) !== 0) throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `a port that is associated with a completion port serves calls whose values fit into one message. ${RELAY}`);
        procedure = table.procedures[procedureOf(packet.data)];
        const output = await call(packet.data, 'call', host);
        frame = codec.frame(Kind.response, 0, 0, 0, 0, output);
      }
    } catch (error) {
      frame = faultFrame(error, procedure);
    }
    if (!packet.isPending) return;
    try {
      packet.reply(frame);
    } catch (error) {
      if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_MESSAGE_TOO_LONG') throw error;
      packet.reply(faultFrame(error, undefined));
    }
  }

  async function call(frame: Buffer, kind: string, host: ContextHost): Promise<unknown> {
    const procedure = table.procedures[procedureOf(frame)];
    if (procedure === undefined || procedure.method.kind !== kind) throw new AlpcError('ERR_ALPC_UNKNOWN_METHOD', `there is no ${kind} method of number ${procedureOf(frame)}`);
    await admitted(procedure.offer, host);
    const value = codec.value(frame);
    const input = procedure.checks.input === undefined ? value : await procedure.checks.input(value);
    const timeout = kind === 'call' ? extraOf(frame) : FOREVER;
    const context = new CallContext(host, procedure.offer, timeout === FOREVER ? Infinity : timeout, () => new AbortController().signal);
    return run(procedure, input, context);
  }

  function faultFrame(error: unknown, procedure: Procedure | undefined): Buffer {
    const isDeclared = error instanceof Fault && procedure?.method.kind === 'call' && Object.hasOwn(procedure.method.errors, error.fault);
    const flags = isDeclared ? Flag.declared : AlpcError.is(error) ? Flag.system : 0;
    return Buffer.from(codec.frame(Kind.fault, flags, 0, 0, 0, describeFault(error, stacks && flags !== Flag.system)));
  }
}

/** A thread has nobody to tell why a security callback failed. */
function admitted(offer: Offer, host: ContextHost): Promise<void> | undefined {
  return admit(offer, host.caller, () => {});
}

function hostOf(sender: { pid: number; uid: number; gid: number }): ContextHost {
  const caller = new PeerIdentity(sender);
  const handles = (): never => {
    throw new NotHere('context handles', RELAY);
  };
  const callbacks = (): never => {
    throw new NotHere('callbacks', 'Serve the interface that calls back on the event loop, by implement()');
  };
  return { caller, openHandle: handles, useHandle: handles, closeHandle: handles, callback: callbacks, callbackSync: callbacks };
}

/** What to do instead. */
const RELAY = 'Leave the interface to the pool by serve([pooled(of, pool)]), which keeps the connection';
