/**
 * Values become bytes: everything that structured cloning knows, cycles too. What has no meaning on the other side (functions, symbols,
 * instances of classes) is refused with the path to it. Bytes are written into one buffer that is used again; what `encode` returns is good
 * until the next call, which is enough for a port, since it copies.
 *
 * Not promised: views of one buffer are views of two on the other side, each as long as what it showed; a `Buffer` arrives as `Uint8Array`.
 */
import { types } from 'node:util';
import { AlpcError } from '../base/errors.js';
import { ContextHandle } from './context-handle.js';
import { DEFAULT_DEPTH, DEFAULT_VALUE_LENGTH, ErrorExtra, HANDLE_LENGTH, LONGEST_BIGINT, RUN_OF_BUFFER, SHORTEST_RUN, Tag, VIEWS } from './value-tags.js';

export interface ValueBounds {
  /** How deep objects may stand in each other; 200 by default. */
  readonly depth: number;
  /** The longest value, encoded, in bytes; 64 MiB by default. */
  readonly valueLength: number;
}

export const DEFAULT_BOUNDS: ValueBounds = { depth: DEFAULT_DEPTH, valueLength: DEFAULT_VALUE_LENGTH };

const FIRST_LENGTH = 4096;
/** A buffer that grew beyond this for one value is not kept for the next. */
const KEPT_LENGTH = 1024 * 1024;
/** So many objects are compared one by one; for more there is a Map. */
const COMPARED = 12;
/** What UTF-8 can't say. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Up to here a loop over the characters is faster than a call. */
const SHORT_TEXT = 64;

export class ValueEncoder {
  #bytes: Buffer;
  #view: DataView;
  /** What was handed out last. */
  #last: Buffer;
  #at = 0;
  #start = 0;
  readonly #bounds: ValueBounds;
  /** The first objects of the value, so many of them; all others are in `#many`. */
  readonly #few: (object | undefined)[] = Array.from({ length: COMPARED }, () => undefined);
  #count = 0;
  #many: Map<object, number> | undefined;
  #root: unknown;
  /** Long runs of bytes, that were named and not copied; undefined while all is copied. */
  #runs: Uint8Array[] | undefined;
  #runsLength = 0;

  constructor(bounds: ValueBounds = DEFAULT_BOUNDS) {
    this.#bounds = bounds;
    this.#bytes = this.#last = Buffer.allocUnsafeSlow(FIRST_LENGTH);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /**
   * Encodes one value behind `room` bytes that are the caller's. With `runs`, long runs of bytes are only named, and added to it.
   * @throws AlpcError ERR_ALPC_BAD_VALUE with the path to what can't travel, or when it is too deep or too long
   */
  encode(value: unknown, room = 0, runs?: Uint8Array[]): Buffer {
    return this.written(this.append(value, room, runs));
  }

  /** Encodes one value behind what is there. Where it ends. @throws as `encode`; then nothing has been added */
  append(value: unknown, at: number, runs?: Uint8Array[]): number {
    this.#at = this.#start = at;
    this.#runs = runs;
    this.#root = value;
    try {
      this.#write(value, 0);
      if (this.#at - at + this.#runsLength > this.#bounds.valueLength) throw this.#tooLong();
      return this.#at;
    } catch (error) {
      this.#at = at;
      throw error;
    } finally {
      this.#runs = undefined;
      this.#runsLength = 0;
      this.#root = undefined;
      while (this.#count > 0) this.#few[--this.#count] = undefined;
      this.#many = undefined;
    }
  }

  /** What has been written: the first `length` bytes, good until more is. */
  written(length: number): Buffer {
    // Calls of one kind are mostly of one length.
    if (this.#last.length !== length) this.#last = this.#bytes.subarray(0, length);
    return this.#last;
  }

  /** The caller's bytes may be written here, before or after `encode`. */
  get view(): DataView {
    return this.#view;
  }

  /** Lets go of a buffer that one long value needed. */
  trim(): void {
    if (this.#bytes.length > KEPT_LENGTH) this.#replace(FIRST_LENGTH, 0);
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #write(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#string(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'boolean':
        this.#byte(value ? Tag.true : Tag.false);
        return;
      case 'undefined':
        this.#byte(Tag.undefined);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'object':
        if (value === null) this.#byte(Tag.null);
        else this.#object(value, depth);
        return;
      default:
        throw this.#refuse(value, `a ${typeof value}`);
    }
  }

  #number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0 && value < 0x80) return this.#byte(value);
      this.#reserve(5);
      this.#view.setUint8(this.#at, Tag.int32);
      this.#view.setInt32(this.#at + 1, value, true);
      this.#at += 5;
    } else {
      this.#float(Tag.float64, value);
    }
  }

  #object(value: object, depth: number): void {
    if (depth === 0 && value instanceof Uint8Array) return this.#bytesOf(value, 0); // bytes and nothing else: what most who hurry send
    const number = this.#numberOf(value);
    if (number >= 0) return this.#sized(Tag.reference, number);
    if (depth >= this.#bounds.depth) throw new AlpcError('ERR_ALPC_BAD_VALUE', `a value is more than ${this.#bounds.depth} objects deep`);
    if (Array.isArray(value)) return this.#array(value, depth + 1);
    if (ArrayBuffer.isView(value)) return this.#viewOf(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#plain(value as Record<string, unknown>, depth + 1);
    this.#special(value, depth + 1);
  }

  /** The number of an object that was seen before; else it gets one, and -1. */
  #numberOf(value: object): number {
    if (this.#many === undefined) {
      const few = this.#few;
      const count = this.#count;
      for (let i = 0; i < count; i++) if (few[i] === value) return i;
      if (count < COMPARED) {
        few[count] = value;
        this.#count = count + 1;
        return -1;
      }
      this.#many = new Map(few.map((object, index) => [object!, index]));
    }
    const number = this.#many.get(value);
    if (number !== undefined) return number;
    this.#many.set(value, this.#many.size);
    return -1;
  }

  #plain(value: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(value);
    if (keys.length < 16) this.#byte(Tag.smallObject + keys.length);
    else this.#sized(Tag.object, keys.length);
    for (const key of keys) {
      this.#string(key);
      this.#write(value[key], depth);
    }
  }

  #array(value: unknown[], depth: number): void {
    const { length } = value;
    if (length > this.#bounds.valueLength) throw this.#tooLong(); // a sparse one of four billion holes, say
    if (length < 16) this.#byte(Tag.smallArray + length);
    else this.#sized(Tag.array, length);
    for (let i = 0; i < length; i++) {
      const item = value[i];
      if (item === undefined && !(i in value)) this.#byte(Tag.hole);
      else this.#write(item, depth);
    }
  }

  #viewOf(value: ArrayBufferView): void {
    if (value instanceof Uint8Array) return this.#bytesOf(value, 0);
    const kind = VIEWS.findIndex((View) => value instanceof View);
    if (kind < 0) throw this.#refuse(value, `an instance of ${className(value)}`);
    this.#bytesOf(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), kind);
  }

  #bytesOf(value: Uint8Array, kind: number): void {
    const { length } = value;
    if (length >= SHORTEST_RUN && this.#runs !== undefined) return this.#run(value, kind, this.#runs);
    this.#reserve(6 + length);
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = Tag.view;
    bytes[at + 1] = kind;
    this.#view.setUint32(at + 2, length, true);
    bytes.set(value, at + 6);
    this.#at = at + 6 + length;
  }

  #run(value: Uint8Array, kind: number, runs: Uint8Array[]): void {
    this.#reserve(6);
    this.#bytes[this.#at] = Tag.run;
    this.#bytes[this.#at + 1] = kind;
    this.#view.setUint32(this.#at + 2, value.length, true);
    this.#at += 6;
    runs.push(value);
    this.#runsLength += value.length;
  }

  #special(value: object, depth: number): void {
    if (types.isMap(value)) {
      this.#sized(Tag.map, value.size);
      for (const [key, item] of value) {
        this.#write(key, depth);
        this.#write(item, depth);
      }
    } else if (types.isSet(value)) {
      this.#sized(Tag.set, value.size);
      for (const item of value) this.#write(item, depth);
    } else if (types.isDate(value)) this.#float(Tag.date, value.getTime());
    else if (types.isRegExp(value)) {
      this.#byte(Tag.regExp);
      this.#string(value.source);
      this.#string(value.flags);
    } else if (types.isAnyArrayBuffer(value)) {
      const bytes = new Uint8Array(value);
      if (bytes.length >= SHORTEST_RUN && this.#runs !== undefined) return this.#run(bytes, RUN_OF_BUFFER, this.#runs);
      this.#sized(Tag.arrayBuffer, bytes.length);
      this.#reserve(bytes.length);
      this.#bytes.set(bytes, this.#at);
      this.#at += bytes.length;
    } else if (value instanceof DOMException) {
      this.#byte(Tag.domException);
      for (const text of [value.name, value.message, value.stack]) this.#string(typeof text === 'string' ? text : '');
    } else if (types.isNativeError(value)) this.#error(value, depth);
    else if (value instanceof URL) {
      this.#byte(Tag.url);
      this.#string(value.href);
    } else if (value instanceof ContextHandle) {
      this.#byte(Tag.handle);
      this.#reserve(HANDLE_LENGTH);
      this.#at += this.#bytes.write(value.id, this.#at, HANDLE_LENGTH, 'hex');
    } else if (types.isBoxedPrimitive(value) && !types.isSymbolObject(value)) {
      this.#byte(Tag.boxed);
      this.#write(value.valueOf(), depth);
    } else throw this.#refuse(value, `an instance of ${className(value)}`);
  }

  #error(value: Error, depth: number): void {
    this.#byte(Tag.error);
    for (const text of [value.name, value.message, value.stack]) this.#string(typeof text === 'string' ? text : '');
    const errors: unknown = value instanceof AggregateError ? value.errors : undefined;
    const hasCause = Object.hasOwn(value, 'cause');
    this.#byte((hasCause ? ErrorExtra.cause : 0) | (errors === undefined ? 0 : ErrorExtra.errors));
    if (hasCause) this.#write(value.cause, depth);
    if (errors !== undefined) this.#write(errors, depth);
  }

  #bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16);
    const length = (digits.length + 1) >>> 1;
    if (length > LONGEST_BIGINT) throw new AlpcError('ERR_ALPC_BAD_VALUE', `a bigint has ${length} bytes; at most ${LONGEST_BIGINT} can travel`);
    this.#reserve(6 + length);
    this.#view.setUint8(this.#at, Tag.bigint);
    this.#view.setUint8(this.#at + 1, value < 0n ? 1 : 0);
    this.#view.setUint32(this.#at + 2, length, true);
    this.#bytes.write(digits.padStart(2 * length, '0'), this.#at + 6, length, 'hex');
    this.#at += 6 + length;
  }

  #string(text: string): void {
    const { length } = text;
    this.#reserve(5 + 3 * length);
    if (length <= SHORT_TEXT && this.#ascii(text, length)) return;
    const start = this.#at + 5;
    const wide = LONE_SURROGATE.test(text);
    const written = this.#bytes.write(text, start, wide ? 'utf16le' : 'utf8');
    this.#view.setUint8(this.#at, wide ? Tag.wideString : Tag.string);
    this.#view.setUint32(this.#at + 1, written, true);
    this.#at = start + written;
  }

  /** Short text of one byte a character; false when it is not. */
  #ascii(text: string, length: number): boolean {
    const bytes = this.#bytes;
    let at = this.#at + (length < 32 ? 1 : 5);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    if (length < 32) bytes[this.#at] = Tag.smallString + length;
    else {
      bytes[this.#at] = Tag.string;
      this.#view.setUint32(this.#at + 1, length, true);
    }
    this.#at = at;
    return true;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #sized(tag: number, size: number): void {
    this.#reserve(5);
    this.#view.setUint8(this.#at, tag);
    this.#view.setUint32(this.#at + 1, size, true);
    this.#at += 5;
  }

  #float(tag: number, value: number): void {
    this.#reserve(9);
    this.#view.setUint8(this.#at, tag);
    this.#view.setFloat64(this.#at + 1, value, true);
    this.#at += 9;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    if (this.#at - this.#start > this.#bounds.valueLength) throw this.#tooLong();
    if (bytes > 3 * this.#bounds.valueLength + 16) throw this.#tooLong();
    this.#replace(Math.max(2 * this.#bytes.length, this.#at + bytes), this.#at);
  }

  #replace(length: number, kept: number): void {
    const bytes = Buffer.allocUnsafeSlow(length);
    this.#bytes.copy(bytes, 0, 0, kept);
    this.#bytes = this.#last = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #tooLong(): AlpcError {
    return new AlpcError('ERR_ALPC_BAD_VALUE', `a value is longer than ${this.#bounds.valueLength} bytes (the limit 'valueLength')`);
  }

  #refuse(culprit: unknown, what: string): AlpcError {
    return new AlpcError('ERR_ALPC_BAD_VALUE', `${pathTo(this.#root, culprit)} is ${what}, which can't travel; plain objects, arrays and what structured cloning knows can`);
  }
}

function className(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== '' ? `class ${constructor.name}` : 'a class';
}

/** Where in a value another stands, for people: `value.jobs[3].owner`. Only asked when something is wrong. */
function pathTo(root: unknown, culprit: unknown): string {
  const seen = new Set<unknown>();
  const walk = (value: unknown, path: string): string | undefined => {
    if (value === culprit) return path;
    if (typeof value !== 'object' || value === null || seen.has(value) || seen.size > 10_000) return undefined;
    seen.add(value);
    const parts: Iterable<[string, unknown]> = types.isMap(value) ? Array.from(value, ([key, item]) => [`${path}.get(${String(key)})`, item]) : types.isSet(value) ? Array.from(value, (item) => [`${path}.item`, item]) : Array.isArray(value) ? value.map((item, i) => [`${path}[${i}]`, item]) : Object.entries(value).map(([key, item]) => [`${path}.${key}`, item]);
    for (const [name, part] of parts) {
      const found = walk(part, name);
      if (found !== undefined) return found;
    }
    if (types.isNativeError(value)) return walk(value.cause, `${path}.cause`);
    return undefined;
  };
  return walk(root, 'value') ?? 'a part of the value';
}
