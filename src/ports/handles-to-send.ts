/**
 * What a program gives as a handle, made into a descriptor and its kind: numbers, and objects of Node's and of this library that have one.
 * The kind is what the kernel says of the descriptor; an object of this library says more (a FIFO is an event, a file a section),
 * and that is held against the kernel's word.
 */
import { checkOneOf, invalidArgument } from '../base/arguments.js';
import type { HandleKind } from '../memory/layout.js';
import { asHandle, type HandleSource } from '../memory/handle-source.js';
import { type DescriptorFacts, type DescriptorType, factsOfNumber, reopenWith } from '../platform/descriptor-facts.js';
import { closeDescriptor, translate } from '../platform/system.js';

/** A descriptor, or an object that has one: a `FileHandle`, a stream of `node:fs`, a socket or a server of `node:net`, an event, a section, a connection port. */
export type Sendable = number | HandleSource | { readonly fd: number } | NodeObject;

/** What Node's sockets and servers are recognised by. */
interface NodeObject {
  ref(): unknown;
  unref(): unknown;
}

/** A handle that arrives with less access than it has here. */
export interface ReducedHandle {
  readonly handle: Sendable;
  /** What the receiver may do through it; of files, sections and pipes. It gets the file opened anew, with a position of its own. */
  readonly access: 'read' | 'write';
}

export interface HandleToSend {
  readonly fd: number;
  readonly kind: HandleKind;
  /** It was opened for this message, and is to be closed when that is on its way. */
  readonly isOwned: boolean;
}

/** What the kernel may say of a descriptor of each kind. */
const TYPES: Record<HandleKind, readonly DescriptorType[]> = {
  file: ['file', 'memory', 'sealed'],
  directory: ['directory'],
  device: ['device'],
  socket: ['socket'],
  server: ['server'],
  pipe: ['fifo'],
  event: ['fifo'],
  section: ['file', 'memory', 'sealed'],
  port: ['name'],
};
const KINDS = Object.keys(TYPES) as HandleKind[];

/** Whether a descriptor may pass for one of this kind. */
export function isOfKind({ type }: DescriptorFacts, kind: HandleKind): boolean {
  return TYPES[kind].includes(type);
}

/** What is to be sent for `value`. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT that names `what`, ERR_ALPC_ACCESS_DENIED, ERR_ALPC_INSUFFICIENT_RESOURCES */
export function handleToSend(value: Sendable | ReducedHandle, what: string): HandleToSend {
  const { handle, access } = isReduced(value) ? value : { handle: value, access: undefined };
  if (access !== undefined) checkOneOf(access, `${what}.access`, ['read', 'write']);
  const source = sourceOf(handle, what);
  try {
    const facts = factsOf(source.fd, what);
    const kind = source.kind ?? KINDS.find((known) => isOfKind(facts, known));
    if (kind === undefined || !isOfKind(facts, kind)) throw invalidArgument(what, source.kind === undefined ? `a descriptor of a ${KINDS.join(', ')}` : `a ${source.kind}`, handle);
    if (access === undefined || access === facts.access) return { fd: source.fd, kind, isOwned: source.isOwned === true };
    if (kind !== 'file' && kind !== 'section' && kind !== 'pipe') throw invalidArgument(`${what}.access`, `left out for a ${kind}, whose access can't be reduced`, access);
    if (facts.access !== 'read-write') throw invalidArgument(`${what}.access`, `what it has, which is '${facts.access}'`, access);
    const fd = reopenWith(source.fd, access).take();
    if (source.isOwned === true) closeDescriptor(source.fd);
    return { fd, kind, isOwned: true };
  } catch (error) {
    if (source.isOwned === true) closeDescriptor(source.fd);
    throw translate(error, what);
  }
}

function isReduced(value: Sendable | ReducedHandle): value is ReducedHandle {
  return typeof value === 'object' && value !== null && 'handle' in value && 'access' in value;
}

function sourceOf(handle: Sendable, what: string): { fd: number; kind?: HandleKind; isOwned?: boolean } {
  if (typeof handle === 'number') return { fd: handle };
  if (typeof handle !== 'object' || handle === null) throw invalidArgument(what, 'a descriptor, or an object that has one', handle);
  if (asHandle in handle) return handle[asHandle]();
  // What a TLS socket knows of its keys stays in this process.
  if ((handle as { encrypted?: unknown }).encrypted === true) throw invalidArgument(what, 'a socket without TLS, whose keys would stay here', handle);
  const node = (handle as { _handle?: { fd?: unknown } | null })._handle;
  const fd = node === undefined || node === null || 'fd' in handle ? (handle as { fd?: unknown }).fd : node.fd;
  if (typeof fd !== 'number' || fd < 0) throw invalidArgument(what, 'a descriptor, or an object that has one and is open', handle);
  return { fd };
}

function factsOf(fd: number, what: string): DescriptorFacts {
  const facts = factsOfNumber(fd);
  if (facts === undefined) throw invalidArgument(what, 'a descriptor that is open', fd);
  return facts;
}
