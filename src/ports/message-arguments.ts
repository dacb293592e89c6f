/** Checks of the arguments of sending calls, kept short because every message passes here. */
import { checkBoolean, checkData, checkFunction, checkOptions, checkSignal, checkTimeout, invalidArgument, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { RECORD_HEADER } from '../memory/layout.js';
import { OwnView } from '../memory/section.js';
import { View } from '../memory/view.js';
import type { OnCallback } from './calls.js';
import type { PostOptions, RequestOptions, SendOptions } from './communication-port.js';


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
  const given = checkOptions(options, 'options', waits === 'awaited' ? ['timeout', 'signal', 'onCallback', 'view', 'autoRelease'] : ['timeout', 'onCallback', 'view', 'autoRelease']);
  return {
    timeout: checkTimeout(given.timeout, 'options.timeout'),
    signal: checkSignal(given.signal, 'options.signal'),
    onCallback: given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback'),
  };
}

export function checkWaitOptions(options: PostOptions | undefined, waits: 'awaited' | 'blocking'): CheckedRequestOptions {
  if (options === undefined) return NONE;
  const given = checkOptions(options, 'options', waits === 'awaited' ? ['timeout', 'signal', 'view', 'autoRelease'] : ['timeout', 'view', 'autoRelease']);
  return { timeout: checkTimeout(given.timeout, 'options.timeout'), signal: checkSignal(given.signal, 'options.signal'), onCallback: undefined };
}

/** The view that is to go with a message, if any. */
export function checkView({ view, autoRelease }: SendOptions): { view: OwnView; autoRelease: boolean } | undefined {
  const releases = autoRelease === undefined ? false : checkBoolean(autoRelease, 'options.autoRelease');
  if (view === undefined) return undefined;
  if (view instanceof OwnView) return { view, autoRelease: releases };
  throw invalidArgument('options.view', view instanceof View ? "a view of a section of this side's; a received one is its sender's" : 'a view of a section', view);
}
