/**
 * From a name to what stands there: the way every operation on objects begins. Symbolic links on the way are followed, with
 * absolute targets taken from the namespace's root; what is found is a descriptor, so that all that follows concerns one and
 * the same object. A failing lookup says which part of the name was missing, was no directory, or led in a circle.
 */
import { AlpcError } from '../base/errors.js';
import { Descriptor, type FileKind, fileKind, hasErrno, OPEN, openBeneath, type OpenFlags, readLink, statOf } from '../platform/directory.js';
import { translate } from '../platform/system.js';
import { nameOf, type ObjectName, parentOf, pathOfName, showLinkTarget } from './object-name.js';

/** The kinds of objects, by the type of the file that stands for them. */
export type ObjectType = 'Directory' | 'ALPC Port' | 'Section' | 'Event' | 'SymbolicLink' | 'Unknown';

const TYPES: Readonly<Record<FileKind, ObjectType>> = {
  directory: 'Directory',
  socket: 'ALPC Port',
  file: 'Section',
  fifo: 'Event',
  link: 'SymbolicLink',
  other: 'Unknown',
};

export function typeOf(kind: FileKind): ObjectType {
  return TYPES[kind];
}

/** Opens what the name stands for. With `OPEN.link` a link in the last part is itself what is opened. */
export function openByName(root: number, name: ObjectName, flags: OpenFlags): Descriptor {
  try {
    return openBeneath(root, pathOfName(name), flags);
  } catch (error) {
    throw explainFailure(root, name, error);
  }
}

/** Opens the directory that holds the name: `OPEN.directory` to work in it, `OPEN.read` to lock it as well. */
export function openParent(root: number, name: ObjectName, flags: OpenFlags): Descriptor {
  if (name.parts.length === 0) throw new AlpcError('ERR_ALPC_NAME_INVALID', "'\\' is the root of the namespace, which is always there: a name of its own is needed");
  try {
    return openBeneath(root, pathOfName(parentOf(name)), flags);
  } catch (error) {
    throw explainFailure(root, name, error);
  }
}

/**
 * Opens an object of one type by name, links followed, as a reference (O_PATH) that grants nothing by itself.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_OBJECT_TYPE_MISMATCH, ERR_ALPC_ACCESS_DENIED
 */
export function openObject(root: number, name: ObjectName, type: ObjectType): Descriptor {
  using object = openByName(root, name, OPEN.path);
  const found = naming(`'${name.text}'`, () => typeOf(fileKind(statOf(object.fd))));
  if (found !== type) throw typeMismatch(name, type, found);
  return new Descriptor(object.take());
}

export function typeMismatch(name: ObjectName, expected: ObjectType, found: ObjectType): AlpcError {
  return new AlpcError('ERR_ALPC_OBJECT_TYPE_MISMATCH', `'${name.text}' is an object of type ${found}, not ${expected}`);
}

/** Runs `action`; a system call that fails in it becomes the error that names `what`. */
export function naming<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw translate(error, what);
  }
}

/** Walks the name again from the root, to say which part of it made the lookup fail. */
function explainFailure(root: number, name: ObjectName, error: unknown): unknown {
  if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return translate(error, `'${name.text}'`);
  for (let depth = 1; depth < name.parts.length; depth++) {
    const prefix = nameOf(name.parts.slice(0, depth));
    try {
      openBeneath(root, pathOfName(prefix), OPEN.directory)[Symbol.dispose]();
    } catch (cause) {
      return translate(cause, `'${name.text}': its part '${prefix.text}'${whereLinkLeads(root, prefix)}`);
    }
  }
  return translate(error, `'${name.text}'${whereLinkLeads(root, name)}`);
}

function whereLinkLeads(root: number, name: ObjectName): string {
  try {
    using link = openBeneath(root, pathOfName(name), OPEN.link);
    return ` (a symbolic link to '${showLinkTarget(readLink(link.fd))}')`;
  } catch {
    return '';
  }
}
