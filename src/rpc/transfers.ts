/**
 * Long values in parts, where they can't go by view: to a peer that has as many views as it takes, say. Who sends one pushes its parts ahead
 * of the call, each acknowledged; who answers with one keeps it until it has been pulled. Everything is bounded: the length of a value,
 * what is held for one connection, and that only for as long as the connection lives.
 */
import { AlpcError } from '../base/errors.js';
import { header, HEADER, Kind } from './frame.js';
import type { LongItem } from './inflow.js';

interface Arriving {
  readonly bytes: Buffer;
  length: number;
}

export class Transfers {
  readonly #limit: number;
  readonly #arriving = new Map<number, Arriving>();
  readonly #leaving = new Map<number, Buffer>();
  #held = 0;
  #lastNumber = 0;

  /** `limit`: bytes of one value, and of all that are held at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are held. */
  get held(): number {
    return Math.max(0, this.#held); // items of streams may be released after the end
  }

  nextNumber(): number {
    return (this.#lastNumber = (this.#lastNumber + 1) >>> 0);
  }

  // ---- arriving ----------------------------------------------------------------------------------------------------

  /** A part has come. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when there is no room now, ERR_ALPC_BAD_VALUE when there never is, ERR_ALPC_PROTOCOL */
  push(number: number, total: number, part: Buffer): void {
    let transfer = this.#arriving.get(number);
    if (transfer === undefined) {
      this.#hold(total);
      // Memory that was not written to is not there yet: a peer pays for what it makes be used.
      transfer = { bytes: Buffer.allocUnsafeSlow(total), length: 0 };
      this.#arriving.set(number, transfer);
    }
    if (part.length === 0 || transfer.bytes.length !== total || transfer.length + part.length > total) {
      this.#arriving.delete(number);
      this.#held -= transfer.bytes.length;
      throw new AlpcError('ERR_ALPC_PROTOCOL', `a part of a long value does not fit it`);
    }
    transfer.bytes.set(part, transfer.length);
    transfer.length += part.length;
  }

  /** A call names what was pushed. @throws AlpcError ERR_ALPC_PROTOCOL when it is not all there */
  takeArrived(number: number): Buffer {
    const transfer = this.#arriving.get(number);
    if (transfer === undefined || transfer.length !== transfer.bytes.length) throw new AlpcError('ERR_ALPC_PROTOCOL', 'a call names a long value that has not come');
    this.#arriving.delete(number);
    this.#held -= transfer.bytes.length;
    return transfer.bytes;
  }

  /** As `takeArrived`, but its bytes count as held until they are released. @throws as `takeArrived` */
  lend(number: number): LongItem {
    const bytes = this.takeArrived(number);
    this.#held += bytes.length;
    let isHeld = true;
    return {
      length: bytes.length,
      bytes,
      release: () => {
        if (isHeld) this.#held -= bytes.length;
        isHeld = false;
      },
    };
  }

  /** Counts bytes that are held elsewhere for this connection, until what it gives is called; undefined when that would be too many. */
  charge(length: number): (() => void) | undefined {
    if (this.#held + length > this.#limit) return undefined;
    this.#held += length;
    return () => void (this.#held -= length);
  }

  // ---- leaving -----------------------------------------------------------------------------------------------------

  /** Keeps an answer until it is pulled. Its number. @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED */
  keep(value: Buffer): number {
    this.#hold(value.length);
    const number = this.nextNumber();
    this.#leaving.set(number, value);
    return number;
  }

  /** The part from `offset`; with the last one the value is let go. @throws AlpcError ERR_ALPC_PROTOCOL */
  pull(number: number, offset: number, length: number): Buffer {
    const value = this.#leaving.get(number);
    if (value === undefined || offset >= value.length) throw new AlpcError('ERR_ALPC_PROTOCOL', 'a part of a long value is asked for that is not there');
    if (offset + length >= value.length) this.drop(number);
    return value.subarray(offset, offset + length);
  }

  /** Nobody wants it any more, on either way. */
  drop(number: number): void {
    const value = this.#leaving.get(number);
    if (value === undefined) return;
    this.#leaving.delete(number);
    this.#held -= value.length;
  }

  dropArriving(number: number): void {
    const transfer = this.#arriving.get(number);
    if (transfer === undefined) return;
    this.#arriving.delete(number);
    this.#held -= transfer.bytes.length;
  }

  clear(): void {
    this.#arriving.clear();
    this.#leaving.clear();
    this.#held = 0;
  }

  #hold(length: number): void {
    if (length > this.#limit) throw new AlpcError('ERR_ALPC_BAD_VALUE', `a value of ${length} bytes is longer than ${this.#limit} bytes (the limit 'valueLength')`);
    if (this.#held + length > this.#limit) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `a value of ${length} bytes does not fit: ${this.#held} of ${this.#limit} bytes are held for this connection (the limit 'valueLength')`);
    this.#held += length;
  }
}

/** Bytes of a value that go with one message. */
export function partLength(maxDataLength: number): number {
  return maxDataLength - HEADER;
}

/** The frames that push a long value. */
export function* partsOf(bytes: Buffer, number: number, maxDataLength: number): Generator<Buffer> {
  const length = partLength(maxDataLength);
  for (let at = 0; at < bytes.length; at += length) yield Buffer.concat([header(Kind.push, 0, 0, number, bytes.length), bytes.subarray(at, at + length)]);
}
