/**
 * Bytes become values again. The bytes may be anybody's: every count is held against the bytes that are there before anything is
 * allocated for it, depth is bounded, keys can't reach a prototype, and what breaks a rule is ERR_ALPC_BAD_VALUE and nothing else.
 */
import { AlpcError } from '../base/errors.js';
import { ContextHandle } from './context-handle.js';
import { alignRun, copySkeleton, runsFrom } from './large-values.js';
import { DEFAULT_BOUNDS, type ValueBounds } from './value-encoder.js';
import { ErrorExtra, ERRORS, HANDLE_LENGTH, LONGEST_BIGINT, RUN_OF_BUFFER, Tag, VIEWS } from './value-tags.js';

/** Short keys come again and again: one string is kept for each of these places. */
const KEYS = 256;
const EMPTY = Buffer.alloc(0);
/** Up to here a loop is faster than a call. */
const SHORT = 96;
/** No value: stands for a hole while an array is read. */
const HOLE = Symbol('hole');

export class ValueDecoder {
  #bytes: Buffer = EMPTY;
  #at = 0;
  #end = 0;
  /** The objects that have come, by number. */
  #objects: unknown[] = [];
  /** Of a long value: where its runs of bytes are, and the next one. */
  #runs: Buffer | undefined;
  #runAt = 0;
  readonly #float = new Float64Array(1);
  readonly #floatBytes = new Uint8Array(this.#float.buffer);
  readonly #maxDepth: number;
  /** Where the context handles of a value are noted, when somebody asks for them. */
  handles: ContextHandle[] | undefined;
  readonly #keys: (string | undefined)[] = Array.from({ length: KEYS }, () => undefined);

  constructor(bounds: ValueBounds = DEFAULT_BOUNDS) {
    this.#maxDepth = bounds.depth;
  }

  /** Decodes the one value that stands from `start` to `end`. @throws AlpcError ERR_ALPC_BAD_VALUE */
  decode(bytes: Buffer, start = 0, end = bytes.length): unknown {
    const value = this.decodeNext(bytes, start, end);
    if (this.#at !== end) throw bad(`${end - this.#at} bytes stand behind the value`);
    return value;
  }

  /** Decodes a long value, as large-values.ts has it. The bytes may be shared with whoever wrote them. @throws as `decode` */
  decodeLarge(bytes: Buffer): unknown {
    const skeleton = copySkeleton(bytes);
    this.#runs = bytes;
    this.#runAt = runsFrom(skeleton.length);
    try {
      const value = this.decode(skeleton);
      if (alignRun(this.#runAt) < alignRun(bytes.length)) throw bad(`${bytes.length - this.#runAt} bytes stand behind the last run`);
      return value;
    } finally {
      this.#runs = undefined;
    }
  }

  /** Decodes the value that begins at `start` and ends before `end` or there; where it ends says `position`. @throws as `decode` */
  decodeNext(bytes: Buffer, start: number, end = bytes.length): unknown {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    try {
      return this.#read(0);
    } catch (error) {
      throw AlpcError.is(error) ? error : bad(error instanceof Error ? error.message : 'it could not be read', error);
    } finally {
      this.#bytes = EMPTY;
      if (this.#objects.length > 0) this.#objects = [];
    }
  }

  /** Where the last value ended. */
  get position(): number {
    return this.#at;
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #read(depth: number): unknown {
    const value = this.#readItem(depth);
    if (value === HOLE) throw bad('a hole stands outside of an array');
    return value;
  }

  #readItem(depth: number): unknown {
    const tag = this.#byte();
    if (tag < Tag.smallString) return tag;
    if (tag < Tag.smallObject) return this.#shortText(tag - Tag.smallString);
    if (tag < Tag.smallArray) return this.#object(tag - Tag.smallObject, depth);
    if (tag < Tag.undefined) return this.#array(tag - Tag.smallArray, depth);
    switch (tag) {
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.false:
        return false;
      case Tag.true:
        return true;
      case Tag.int32:
        return this.#uint32() | 0;
      case Tag.float64:
        return this.#float64();
      case Tag.string:
        return this.#text('utf8');
      case Tag.wideString:
        return this.#text('utf16le');
      case Tag.bigint:
        return this.#bigint();
      case Tag.object:
        return this.#object(this.#count(2), depth);
      case Tag.array:
        return this.#array(this.#count(1), depth);
      case Tag.hole:
        return HOLE;
      case Tag.reference:
        return this.#reference();
      case Tag.view: {
        this.#descend(depth);
        const view = this.#typedArray();
        if (this.#at < this.#end) this.#objects.push(view); // else nothing comes that could refer to it
        return view;
      }
      case Tag.run: {
        this.#descend(depth);
        const run = this.#run();
        this.#objects.push(run);
        return run;
      }
      default:
        return this.#special(tag, depth);
    }
  }

  #object(count: number, depth: number): Record<string, unknown> {
    this.#descend(depth);
    const object: Record<string, unknown> = {};
    this.#objects.push(object);
    for (let i = 0; i < count; i++) {
      const key = this.#string();
      const value = this.#read(depth + 1);
      if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      else object[key] = value;
    }
    return object;
  }

  #array(count: number, depth: number): unknown[] {
    this.#descend(depth);
    const array: unknown[] = [];
    this.#objects.push(array);
    for (let i = 0; i < count; i++) {
      const item = this.#readItem(depth + 1);
      if (item === HOLE) array.length++;
      else array.push(item);
    }
    return array;
  }

  #special(tag: number, depth: number): unknown {
    this.#descend(depth);
    const number = this.#objects.push(undefined) - 1;
    const keep = <T>(value: T): T => (this.#objects[number] = value);
    switch (tag) {
      case Tag.arrayBuffer:
        return keep(this.#copy(this.#count(1)));
      case Tag.map: {
        const map = keep(new Map<unknown, unknown>());
        for (let count = this.#count(2); count > 0; count--) map.set(this.#read(depth + 1), this.#read(depth + 1));
        return map;
      }
      case Tag.set: {
        const set = keep(new Set<unknown>());
        for (let count = this.#count(1); count > 0; count--) set.add(this.#read(depth + 1));
        return set;
      }
      case Tag.date:
        return keep(new Date(this.#float64()));
      case Tag.regExp: {
        const source = this.#string();
        return keep(new RegExp(source, this.#string()));
      }
      case Tag.error:
        return this.#error(keep, depth);
      case Tag.domException:
        return keep(this.#domException());
      case Tag.url:
        return keep(new URL(this.#string()));
      case Tag.boxed: {
        const primitive = this.#read(depth + 1);
        if (typeof primitive === 'object' || primitive === undefined) throw bad('what is boxed is no primitive');
        return keep(Object(primitive));
      }
      case Tag.handle: {
        const at = this.#take(HANDLE_LENGTH);
        const handle = new ContextHandle(this.#bytes.toString('hex', at, at + HANDLE_LENGTH));
        this.handles?.push(handle);
        return keep(handle);
      }
      default:
        throw bad(`there is no tag 0x${tag.toString(16)}`);
    }
  }

  #typedArray(): ArrayBufferView {
    const kind = this.#byte();
    if (VIEWS[kind] === undefined) throw bad(`a typed array is of kind ${kind}, which is not known here`);
    const length = this.#count(1);
    if (kind === 0) return this.#byteArray(length);
    return viewOver(this.#copy(length), kind);
  }

  #run(): ArrayBuffer | ArrayBufferView {
    const kind = this.#byte();
    if (VIEWS[kind] === undefined && kind !== RUN_OF_BUFFER) throw bad(`a run of bytes is of kind ${kind}, which is not known here`);
    const length = this.#uint32();
    const runs = this.#runs;
    if (runs === undefined || length > runs.length - this.#runAt) throw bad(`a run of ${length} bytes is named that is not there`);
    const copy = new Uint8Array(length);
    copy.set(runs.subarray(this.#runAt, this.#runAt + length));
    this.#runAt = alignRun(this.#runAt + length);
    return kind === RUN_OF_BUFFER ? copy.buffer : viewOver(copy.buffer, kind);
  }

  #byteArray(length: number): Uint8Array {
    const array = new Uint8Array(length);
    const bytes = this.#bytes;
    const at = this.#take(length);
    if (length > SHORT) array.set(bytes.subarray(at, at + length));
    else {
      let i = 0;
      for (; i + 4 <= length; i += 4) {
        array[i] = bytes[at + i]!;
        array[i + 1] = bytes[at + i + 1]!;
        array[i + 2] = bytes[at + i + 2]!;
        array[i + 3] = bytes[at + i + 3]!;
      }
      for (; i < length; i++) array[i] = bytes[at + i]!;
    }
    return array;
  }

  #error(keep: (error: Error) => Error, depth: number): Error {
    const name = this.#string();
    const message = this.#string();
    const stack = this.#string();
    const extra = this.#byte();
    const Kind = Object.hasOwn(ERRORS, name) ? ERRORS[name as keyof typeof ERRORS] : Error;
    const error = keep((extra & ErrorExtra.errors) === 0 ? new Kind(message) : new AggregateError([], message));
    if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
    Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
    if ((extra & ErrorExtra.cause) !== 0) Object.defineProperty(error, 'cause', { value: this.#read(depth + 1), configurable: true, writable: true });
    if ((extra & ErrorExtra.errors) !== 0) Object.defineProperty(error, 'errors', { value: this.#read(depth + 1), configurable: true, writable: true });
    return error;
  }

  #domException(): DOMException {
    const name = this.#string();
    const exception = new DOMException(this.#string(), name);
    Object.defineProperty(exception, 'stack', { value: this.#string(), configurable: true, writable: true });
    return exception;
  }

  #reference(): unknown {
    const object = this.#objects[this.#uint32()];
    if (object === undefined) throw bad('a reference names no object that came before');
    return object;
  }

  #bigint(): bigint {
    const sign = this.#byte();
    const length = this.#count(1);
    if (length > LONGEST_BIGINT || length === 0 || sign > 1) throw bad(`a bigint has ${length} bytes`);
    const at = this.#take(length);
    const magnitude = BigInt(`0x${this.#bytes.toString('hex', at, at + length)}`);
    return sign === 1 ? -magnitude : magnitude;
  }

  /** A string where only a string may stand. */
  #string(): string {
    const tag = this.#byte();
    if (tag >= Tag.smallString && tag < Tag.smallObject) return this.#shortText(tag - Tag.smallString);
    if (tag === Tag.string) return this.#text('utf8');
    if (tag === Tag.wideString) return this.#text('utf16le');
    throw bad('no string stands where one must');
  }

  #text(encoding: 'utf8' | 'utf16le'): string {
    const length = this.#count(1);
    const at = this.#take(length);
    return this.#bytes.toString(encoding, at, at + length);
  }

  /** Short text, most often a key that came before. */
  #shortText(length: number): string {
    const at = this.#take(length);
    if (length === 0) return '';
    const bytes = this.#bytes;
    const place = (length * 31 + bytes[at]! * 7 + bytes[at + (length >> 1)]! * 3 + bytes[at + length - 1]!) & (KEYS - 1);
    const known = this.#keys[place];
    if (known?.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[at + i]) i++;
      if (i === length) return known;
    }
    const text = bytes.toString('utf8', at, at + length);
    if (text.length === length && isAscii(bytes, at, at + length)) this.#keys[place] = text;
    return text;
  }

  #copy(length: number): ArrayBuffer {
    const at = this.#take(length);
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  /** A count of things that take at least `each` bytes: not more than there are bytes for. */
  #count(each: number): number {
    const count = this.#uint32();
    if (count * each > this.#end - this.#at) throw bad(`${count} things are told, and ${this.#end - this.#at} bytes follow`);
    return count;
  }

  #uint32(): number {
    const bytes = this.#bytes;
    const at = this.#take(4);
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  #float64(): number {
    const bytes = this.#bytes;
    const at = this.#take(8);
    for (let i = 0; i < 8; i++) this.#floatBytes[i] = bytes[at + i]!;
    return this.#float[0]!;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw bad('it ends in the middle');
    this.#at = at + length;
    return at;
  }

  #descend(depth: number): void {
    if (depth >= this.#maxDepth) throw bad(`it is more than ${this.#maxDepth} objects deep`);
  }
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

function viewOver(buffer: ArrayBuffer, kind: number): ArrayBufferView {
  const View = VIEWS[kind]!;
  const unit = View.BYTES_PER_ELEMENT ?? 1;
  if (buffer.byteLength % unit !== 0) throw bad(`${buffer.byteLength} bytes are no array of ${unit} bytes each`);
  return new View(buffer);
}

function bad(why: string, cause?: unknown): AlpcError {
  return new AlpcError('ERR_ALPC_BAD_VALUE', `what came is no value: ${why}`, cause === undefined ? {} : { cause });
}
