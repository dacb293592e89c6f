/** Checks of the arguments of sending calls, kept short because every message passes here. */
import { checkBoolean, checkData, checkFunction, checkOptions, checkSignal, checkTimeout, invalidArgument, type MessageData } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { RECORD_HEADER } from '../memory/layout.js';
import { OwnView } from '../memory/section.js';
import { View } from '../memory/view.js';
import type { OnCallback } from './calls.js';
import type { PostOptions, RequestOptions, SendOptions } from './communication-port.js';
import type { ReducedHandle, Sendable } from './handles-to-send.js';

/** The options of whatever sends a message. */
export const ATTRIBUTE_OPTIONS = ['view', 'autoRelease', 'handles', 'security', 'workOnBehalfOf', 'reserve', 'direct'] as const;
export const REPLY_OPTIONS = [...ATTRIBUTE_OPTIONS, 'unmapExisting'] as const;
/** Made once: they are looked through for every message that has options. */
const REQUEST_OPTIONS = {
  awaited: ['timeout', 'signal', 'onCallback', ...ATTRIBUTE_OPTIONS],
  blocking: ['timeout', 'onCallback', ...ATTRIBUTE_OPTIONS],
} as const;
const WAIT_OPTIONS = {
  awaited: ['timeout', 'signal', ...ATTRIBUTE_OPTIONS],
  blocking: ['timeout', ...ATTRIBUTE_OPTIONS],
} as const;

/** The data's length in bytes, checked. */
export function checkMessage(data: MessageData, maxDataLength: number, port: { toString(): string }): number {
  const dataLength = data instanceof Uint8Array ? data.length : Buffer.byteLength(checkData(data));
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
  const given = checkOptions(options, 'options', REQUEST_OPTIONS[waits]);
  return {
    timeout: checkTimeout(given.timeout, 'options.timeout'),
    signal: checkSignal(given.signal, 'options.signal'),
    onCallback: given.onCallback === undefined ? undefined : checkFunction(given.onCallback, 'options.onCallback'),
  };
}

export function checkWaitOptions(options: PostOptions | undefined, waits: 'awaited' | 'blocking'): CheckedRequestOptions {
  if (options === undefined) return NONE;
  const given = checkOptions(options, 'options', WAIT_OPTIONS[waits]);
  return { timeout: checkTimeout(given.timeout, 'options.timeout'), signal: checkSignal(given.signal, 'options.signal'), onCallback: undefined };
}

/** The view that is to go with a message, if any. */
export function checkView({ view, autoRelease }: SendOptions): { view: OwnView; autoRelease: boolean } | undefined {
  const releases = autoRelease === undefined ? false : checkBoolean(autoRelease, 'options.autoRelease');
  if (view === undefined) return undefined;
  if (view instanceof OwnView) return { view, autoRelease: releases };
  throw invalidArgument('options.view', view instanceof View ? "a view of a section of this side's: one that was received is its sender's, who can send it there as well; or copy its bytes into a section of your own" : 'a view of a section', view);
}

/** The handles that are to go with a message; undefined for none. */
export function checkHandles({ handles }: SendOptions): readonly (Sendable | ReducedHandle)[] | undefined {
  if (handles === undefined) return undefined;
  if (!Array.isArray(handles)) throw invalidArgument('options.handles', 'an array', handles);
  return handles.length === 0 ? undefined : Array.from(handles as readonly (Sendable | ReducedHandle)[]);
}
