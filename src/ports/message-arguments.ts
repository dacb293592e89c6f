/** Checks of the arguments of sending calls, kept short because every message passes here. */
import { checkData, checkFunction, checkOptions, checkSignal, checkTimeout, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { RECORD_HEADER } from '../memory/layout.js';
import type { OnCallback } from './calls.js';
import type { PostOptions, RequestOptions } from './communication-port.js';

/** The data's length in bytes, checked. */
export function checkMessage(data: MessageData, maxDataLength: number, port: { toString(): string }): number {
  const dataLength = data instanceof Uint8Array ? data.byteLength : Buffer.byteLength(checkData(data));
  if (dataLength > maxDataLength) {
    throw new AlpcError('ERR_ALPC_MESSAGE_TOO_LONG', `${port}: a payload of ${dataLength} bytes does not fit into a message of at most ${maxDataLength + RECORD_HEADER} bytes, header of ${RECORD_HEADER} included; send a view`);
  }
  return dataLength;
}

export interface CheckedRequestOptions {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly onCallback: OnCallback | undefined;
}

const NONE: CheckedRequestOptions = { timeout: Infinity, signal: undefined, onCallback: undefined };

/** `waits` names what is there for a call of this kind: a blocking one can't be ended by a signal. */
export function checkRequestOptions(options: RequestOptions | undefined, waits: 'awaited' | 'blocking'): CheckedRequestOptions {
  if (options === undefined) return NONE;
  const given = checkOptions(options, 'options', waits === 'awaited' ? ['timeout', 'signal', 'onCallback'] : ['timeout', 'onCallback']);
  return {
    timeout: checkTimeout(given.timeout, 'options.timeout'),
    signal: checkSignal(given.signal, 'options.signal'),
    onCallback: given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback'),
  };
}

export function checkWaitOptions(options: PostOptions | undefined, waits: 'awaited' | 'blocking'): CheckedRequestOptions {
  if (options === undefined) return NONE;
  const given = checkOptions(options, 'options', waits === 'awaited' ? ['timeout', 'signal'] : ['timeout']);
  return { timeout: checkTimeout(given.timeout, 'options.timeout'), signal: checkSignal(given.signal, 'options.signal'), onCallback: undefined };
}
