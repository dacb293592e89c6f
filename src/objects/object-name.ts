/**
 * Names of objects: `\RPC Control\spooler`. The root is `\`; parts are separated by `\`, or by `/` where that is easier to
 * type; the canonical text has `\` alone. Capital and small letters differ, and no normal form of Unicode is imposed: two
 * names are the same when their bytes are.
 *
 * Invariants of an `ObjectName`: no part is empty, `.` or `..`, none holds a separator, NUL or half of a surrogate pair,
 * none is longer than 255 bytes of UTF-8, and none begins with `.alpc-`, under which the library makes things that are not
 * finished yet. A name says nothing about whether the object is there.
 */
import { checkString } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';

/** The longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 4096;
/** The longest part of a name, in bytes of UTF-8. */
export const MAX_PART_BYTES = 255;
/** What the names of unfinished things begin with. They are in no listing, and no object can be called so. */
export const RESERVED_PREFIX = '.alpc-';

export interface ObjectName {
  /** The canonical text, `\RPC Control\spooler`. */
  readonly text: string;
  /** The parts between the separators; none for the root. */
  readonly parts: readonly string[];
}

export const ROOT_NAME: ObjectName = { text: '\\', parts: [] };

/**
 * Parses an absolute name: one that begins with `\` or `/`. Does not look at the disk, and does not wait.
 * @param argument what to call the name in errors
 * @throws AlpcError ERR_ALPC_NAME_INVALID, naming the part and the rule that it breaks; ERR_ALPC_INVALID_ARGUMENT for what is no string
 * Windows: the path in OBJECT_ATTRIBUTES, with STATUS_OBJECT_NAME_INVALID; there `/` is an ordinary character.
 */
export function parseObjectName(name: string, argument = 'name'): ObjectName {
  checkLength(name, argument);
  if (!/^[\\/]/.test(name)) throw nameInvalid(name, argument, "it must begin with '\\' (or '/'), which is the root");
  return name.length === 1 ? ROOT_NAME : nameOf(checkParts(name, name.slice(1).split(/[\\/]/), argument));
}

/**
 * Parses the target of a symbolic link: an absolute name, or one relative to the directory that holds the link.
 * @returns the target as links are stored, with `/`
 * @throws AlpcError ERR_ALPC_NAME_INVALID, ERR_ALPC_INVALID_ARGUMENT as for `parseObjectName`
 */
export function parseLinkTarget(target: string, argument = 'target'): string {
  checkLength(target, argument);
  if (/^[\\/]/.test(target)) return `/${parseObjectName(target, argument).parts.join('/')}`;
  return checkParts(target, target.split(/[\\/]/), argument).join('/');
}

/** How the target of a stored link is shown: with `\`. */
export function showLinkTarget(stored: string): string {
  return stored.replaceAll('/', '\\');
}

export function nameOf(parts: readonly string[]): ObjectName {
  return { text: `\\${parts.join('\\')}`, parts };
}

/** The directory that holds the object; the root's own is the root. */
export function parentOf(name: ObjectName): ObjectName {
  return nameOf(name.parts.slice(0, -1));
}

/** The last part; empty for the root. */
export function leafOf(name: ObjectName): string {
  return name.parts.at(-1) ?? '';
}

/** The name in the form of a path relative to the root's directory. */
export function pathOfName(name: ObjectName): string {
  return name.parts.length === 0 ? '.' : name.parts.join('/');
}

/** The full name of what is called `part` in the directory of this name. Checks nothing, and does not wait. */
export function joinName(directory: string, part: string): string {
  return directory === '\\' ? `\\${part}` : `${directory}\\${part}`;
}

/** Whether something on disk has a name that an object can have. What others put there may be called otherwise: it is not shown. */
export function isObjectPart(part: string): boolean {
  return !part.startsWith(RESERVED_PREFIX) && !part.includes('\\');
}

function checkLength(name: unknown, argument: string): void {
  const text = checkString(name, argument);
  if (text.length > MAX_NAME_BYTES || Buffer.byteLength(text) > MAX_NAME_BYTES) throw nameInvalid(text, argument, `it must be at most ${MAX_NAME_BYTES} bytes long`);
}

function checkParts(name: string, parts: readonly string[], argument: string): readonly string[] {
  for (const [index, part] of parts.entries()) {
    const rule = brokenRule(part);
    if (rule !== undefined) throw nameInvalid(name, argument, `its part ${index + 1}, ${shorten(part)}, must not ${rule}`);
  }
  return parts;
}

function brokenRule(part: string): string | undefined {
  if (part === '') return 'be empty';
  if (part === '.' || part === '..') return "be '.' or '..'";
  if (part.includes('\0')) return 'hold a NUL character';
  if (/\p{Surrogate}/u.test(part)) return 'hold half of a surrogate pair';
  if (Buffer.byteLength(part) > MAX_PART_BYTES) return `be longer than ${MAX_PART_BYTES} bytes`;
  return part.startsWith(RESERVED_PREFIX) ? `begin with '${RESERVED_PREFIX}', which is reserved` : undefined;
}

function nameInvalid(name: string, argument: string, rule: string): AlpcError {
  return new AlpcError('ERR_ALPC_NAME_INVALID', `argument '${argument}', ${shorten(name)}, is not a name: ${rule}`);
}

/** For a line of text: quoted, cut, and with what would not print spelt out. */
function shorten(text: string): string {
  const shown = text.slice(0, 64).replace(/[\p{Cc}\p{Surrogate}]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.length > 64 ? `'${shown}...'` : `'${shown}'`;
}
