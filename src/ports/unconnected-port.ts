/**
 * An unconnected communication port: a port that talks with itself, as LPC has it. What is sent through it is received from
 * it, with the same meaning as everywhere: requests are answered, datagrams are not, quotas hold. Useful to decouple the
 * parts of one thread, and to test handlers without a second process.
 *
 * Its outbox is its own peer, and its bell hangs on a pair of sockets.
 */
import { checkFunction, checkOptions } from '../base/arguments.js';
import { Link } from '../memory/link.js';
import { Outbox } from '../memory/outbox.js';
import type { PeerWaitPage } from '../memory/wait-page.js';
import { adoptDescriptor, duplicateDescriptor, releaseDescriptor } from '../platform/descriptors.js';
import { translate } from '../platform/system.js';
import { createSocketPair } from '../platform/unix-socket.js';
import type { OnCallback } from './calls.js';
import { type AcceptedKind, checkAccepts, checkLimits, type Limits, type PortLimits } from './limits.js';
import { PeerIdentity } from './peer-identity.js';
import { ReceivingPort } from './receiving-port.js';
import { checkSpin, type SpinOptions } from './spin-options.js';
import { type Thread, thisThread } from './thread.js';

export interface UnconnectedPortOptions {
  limits?: PortLimits;
  /** What it takes with a message; nothing by default. See docs/shared-memory.md. */
  accepts?: readonly AcceptedKind[];
  spin?: boolean | SpinOptions;
  /** Gets the requests of a blocking call, which only this thread could answer. */
  onCallback?: OnCallback;
}

/**
 * Creates a port that talks with itself. Never waits. A blocking request is answered by its `onCallback`, or fails with
 * ERR_ALPC_DEADLOCK at once. The unconnected port of LPC's NtCreatePort.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_INSUFFICIENT_RESOURCES, ERR_ALPC_UNSUPPORTED_PLATFORM
 */
export function createUnconnectedPort(options?: UnconnectedPortOptions): UnconnectedPort {
  const given = checkOptions(options, 'options', ['limits', 'accepts', 'spin', 'onCallback']);
  const limits = checkLimits(given.limits, checkAccepts(given.accepts));
  const spin = checkSpin(given.spin);
  const onCallback = given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback');
  const thread = thisThread();
  let bell: number | undefined;
  try {
    const parts = selfLink(thread, limits);
    ({ bell } = parts);
    return new UnconnectedPort(thread, parts, { role: 'unconnected', limits, spin, onCallback });
  } catch (error) {
    if (bell !== undefined) releaseDescriptor(bell);
    throw translate(error, 'unconnected port');
  }
}

/** The unconnected port: both ends of one connection, in one thread. Its maker closes it. */
export class UnconnectedPort extends ReceivingPort {
  readonly #bell: number;

  /** Engine room: made by `createUnconnectedPort`. */
  constructor(thread: Thread, parts: SelfLink, options: ConstructorParameters<typeof ReceivingPort>[1]) {
    const maxMessageLength = Math.min(options.limits.maxMessageLength, options.limits.ringLength);
    super({ thread, ...parts, peer: thisProcess(), portName: 'itself', maxMessageLength }, options);
    this.#bell = parts.bell;
  }

  override onEnd(reason: string, error?: Error): void {
    releaseDescriptor(this.#bell);
    super.onEnd(reason, error);
  }
}

interface SelfLink {
  readonly link: Link;
  readonly inode: number;
  /** Where this port listens, and the other end, where its bell is rung. */
  readonly socket: number;
  readonly bell: number;
  readonly peerPage: PeerWaitPage;
}

function selfLink(thread: Thread, limits: Limits): SelfLink {
  const [socket, bell] = createSocketPair();
  let outbox: Outbox | undefined;
  try {
    outbox = Outbox.create(thread.arena, 'alpc:unconnected', limits.ringLength, 2, limits);
    adoptDescriptor(socket);
    adoptDescriptor(bell);
    const { inode } = outbox;
    const peerPage = thread.openPeerPage(duplicateDescriptor(thread.waitPage.fd));
    return { link: new Link(outbox, outbox, bell, limits.maxMessageLength), inode, socket, bell, peerPage };
  } catch (error) {
    outbox?.close();
    releaseDescriptor(socket);
    releaseDescriptor(bell);
    throw error;
  }
}

function thisProcess(): PeerIdentity {
  return new PeerIdentity({ pid: process.pid, uid: process.geteuid!(), gid: process.getegid!() }, process.getgroups!());
}
