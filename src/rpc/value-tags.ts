/**
 * The bytes that a value travels as, for both halves of the codec (value-encoder.ts, value-decoder.ts). A value is a tag of one byte and what
 * belongs to it; small numbers, short strings, small objects and arrays have their size in the tag. Integers are little-endian.
 *
 * Every object (plain, array, Map, typed array, ...) has a number, from 0, in the order of its first byte. `reference` names one that
 * came before: so what was one object on one side is one on the other, and a cycle is one.
 */

export const Tag = {
  /** 0x00 to 0x7f: the integer itself. */
  smallString: 0x80, // to 0x9f: so many bytes of UTF-8 follow
  smallObject: 0xa0, // to 0xaf: so many pairs of key and value
  smallArray: 0xb0, //  to 0xbf: so many values
  undefined: 0xc0,
  null: 0xc1,
  false: 0xc2,
  true: 0xc3,
  int32: 0xc4,
  float64: 0xc5,
  bigint: 0xc6, //      sign (0 or 1), length, magnitude
  string: 0xc7, //      length, UTF-8
  wideString: 0xc8, //  length in bytes, UTF-16: for text that UTF-8 can't say
  object: 0xc9, //      count, pairs
  array: 0xca, //       count, values
  hole: 0xcb, //        in an array: nothing is there
  date: 0xcc, //        float64
  regExp: 0xcd, //      two strings: source, flags
  map: 0xce, //         count, pairs
  set: 0xcf, //         count, values
  arrayBuffer: 0xd0, // length, bytes
  view: 0xd1, //        kind (see VIEWS), length in bytes, bytes
  error: 0xd2, //       three strings: name, message, stack; what it has besides, one byte of ErrorExtra, and these values
  url: 0xd3, //         a string
  reference: 0xd4, //   number of the object
  boxed: 0xd5, //       a primitive: new Number(1) and its like
  handle: 0xd6, //      a context handle: 20 bytes
  run: 0xd7, //         as `view` (kind 255: as `arrayBuffer`), of a long value: the bytes are the next run behind the skeleton
  domException: 0xd8, // three strings: name, message, stack
} as const;

export const ErrorExtra = { cause: 1, errors: 2 } as const;

interface ViewClass {
  readonly BYTES_PER_ELEMENT?: number;
  new (buffer: ArrayBuffer): ArrayBufferView;
}

/** Not there before Node 24: to who has none it is no value. */
const { Float16Array } = globalThis as { Float16Array?: ViewClass };

/** Typed arrays and DataView, by their number on the wire. Float16Array is 12. */
export const VIEWS: readonly ViewClass[] = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
  ...(Float16Array === undefined ? [] : [Float16Array]),
];

/** The errors that JavaScript itself has. */
export const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError } as const;

/** Bytes of a bigint's magnitude, at most. */
export const LONGEST_BIGINT = 65_536;

export const HANDLE_LENGTH = 20;

/** Of a run of bytes: they are an ArrayBuffer's. */
export const RUN_OF_BUFFER = 255;
/** So many bytes fit into no message. */
export const SHORTEST_RUN = 65_536;

/** How deep objects may stand in each other. */
export const DEFAULT_DEPTH = 200;
/** The longest value, encoded: what is asked for is never more than what this side is ready to hold. */
export const DEFAULT_VALUE_LENGTH = 64 * 1024 * 1024;
