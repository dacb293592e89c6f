/**
 * Making a connection port: its options, and its name's way into the object namespace. The port itself is in connection-port.ts.
 *
 * Invariant: what fails leaves no name behind and no descriptor open; where the name can't be taken away again it has no server, and keeps nobody out.
 */
import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkSignal, checkTimeout } from '../base/arguments.js';
import { bindPortName, bindPortNameSync, createSecurityDescriptor, fileMode, type SecurityOptions } from '../objects/index.js';
import { closeDescriptor, translate } from '../platform/system.js';
import { ConnectionPort, type ConnectionPortOptions } from './connection-port.js';
import { type AcceptedKind, checkAccepts, checkLimits, type PortLimits } from './limits.js';
import { checkSpin, type SpinOptions } from './spin-options.js';
import { thisThread } from './thread.js';

export interface CreatePortSyncOptions {
  /** The namespace's root directory; see `namespaceRoot`. */
  root?: string;
  /** 'allow' (the default) accepts everyone whom `security` allows; 'ask' hands each connection request to the server as a message. */
  connect?: 'allow' | 'ask';
  /** Who may connect; by default the same user and root. */
  security?: SecurityOptions;
  limits?: PortLimits;
  /** What the server takes with a message; nothing by default. See docs/shared-memory.md. */
  accepts?: readonly AcceptedKind[];
  spin?: boolean | SpinOptions;
  /** Connections that may wait in the kernel to be accepted; 511 by default. */
  backlog?: number;
  /** Tell with a `client-died` message, before `port-closed`, when a client ended without disconnecting. */
  notifyClientDied?: boolean;
  /** Milliseconds to wait for the directory's lock, if another process holds it; 5,000 by default. */
  timeout?: number;
}

export interface CreatePortOptions extends CreatePortSyncOptions {
  /** Ends the wait for the directory's lock; the call rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Creates a connection port under a name. A name that a dead server left is taken over. Waits for the directory's lock at most, without
 * blocking the thread. NtAlpcCreatePort.
 * @param name an object name, `\RPC Control\spooler`; its directory must be there
 * @returns the port; the caller owns it and closes it; a process that ends without that leaves a name with no server, which keeps nobody out
 * @throws AlpcError (as rejections) ERR_ALPC_NAME_IN_USE when a server lives there; ERR_ALPC_NAME_NOT_FOUND when its directory is
 *   missing; ERR_ALPC_ACCESS_DENIED; ERR_ALPC_OBJECT_TYPE_MISMATCH; ERR_ALPC_NAME_INVALID; ERR_ALPC_TIMEOUT; ERR_ALPC_INVALID_ARGUMENT;
 *   ERR_ALPC_INSUFFICIENT_RESOURCES; ERR_ALPC_UNSUPPORTED_PLATFORM; the signal's reason
 */
export async function createPort(name: string, options?: CreatePortOptions): Promise<ConnectionPort> {
  const checked = checkCreateOptions(options, 'awaited');
  const signal = checkSignal(options?.signal, 'options.signal');
  signal?.throwIfAborted();
  const bound = await bindPortName(name, { ...checked.binding, ...(signal === undefined ? {} : { signal }) });
  try {
    return new ConnectionPort(thisThread(), bound, checked);
  } catch (error) {
    await bound.remove().catch(() => {}); // a name that stays behind, with nobody there, keeps nobody out
    closeDescriptor(bound.fd);
    throw translate(error, `connection port ${bound.name}`);
  }
}

/** As `createPort`, but blocks this thread while another process holds the directory's lock, and throws what `createPort` rejects with. */
export function createPortSync(name: string, options?: CreatePortSyncOptions): ConnectionPort {
  const checked = checkCreateOptions(options, 'blocking');
  const bound = bindPortNameSync(name, checked.binding);
  try {
    return new ConnectionPort(thisThread(), bound, checked);
  } catch (error) {
    try {
      bound.removeSync();
    } catch {
      // as in createPort
    }
    closeDescriptor(bound.fd);
    throw translate(error, `connection port ${bound.name}`);
  }
}

// ---- engine room -------------------------------------------------------------------------------------------------

const SYNC_OPTIONS = ['root', 'connect', 'security', 'limits', 'accepts', 'spin', 'backlog', 'notifyClientDied', 'timeout'] as const;
const CREATE_OPTIONS = { awaited: [...SYNC_OPTIONS, 'signal'], blocking: SYNC_OPTIONS } as const;

interface CheckedCreateOptions extends ConnectionPortOptions {
  readonly binding: { root?: string; mode: number; backlog: number; timeout?: number };
}

/** `waits` names what is there for a call of this kind: a blocking one can't be ended by a signal. */
function checkCreateOptions(options: CreatePortOptions | undefined, waits: 'awaited' | 'blocking'): CheckedCreateOptions {
  const given = checkOptions(options, 'options', CREATE_OPTIONS[waits]);
  const security = createSecurityDescriptor(given.security, 'options.security');
  return {
    binding: {
      ...(given.root === undefined ? {} : { root: given.root }),
      ...(given.timeout === undefined ? {} : { timeout: checkTimeout(given.timeout, 'options.timeout') }),
      mode: fileMode(security),
      backlog: given.backlog === undefined ? 511 : checkInteger(given.backlog, 'options.backlog', 1, 65_535),
    },
    asks: given.connect !== undefined && checkOneOf(given.connect, 'options.connect', ['allow', 'ask']) === 'ask',
    security,
    limits: checkLimits(given.limits, checkAccepts(given.accepts)),
    spin: checkSpin(given.spin),
    notifyClientDied: given.notifyClientDied === undefined ? false : checkBoolean(given.notifyClientDied, 'options.notifyClientDied'),
  };
}
