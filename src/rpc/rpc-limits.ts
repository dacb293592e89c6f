/** What one connection may make a side hold. The limits of its port (messages, bytes, connections) stand beside them. */
import { checkInteger, checkOptions } from '../base/arguments.js';
import { DEFAULT_DEPTH, DEFAULT_VALUE_LENGTH } from './value-tags.js';
import type { ValueBounds } from './value-encoder.js';

export interface RpcLimitOptions {
  /** The longest value, encoded, in bytes, and all that is held in transit at once: 1,024 to 2^31-1; 64 MiB by default. */
  valueLength?: number;
  /** How deep objects may stand in each other: 1 to 1,000; 200 by default. */
  depth?: number;
  /** Streams that the other side may have open: 0 to 65,536; 256 by default. Each may hold 64 KiB and a long item. */
  streams?: number;
  /** Context handles that the other side may hold: 0 to 1,000,000; 1,024 by default. */
  handles?: number;
}

export interface RpcLimits extends ValueBounds {
  readonly streams: number;
  readonly handles: number;
}

export function checkRpcLimits(options: RpcLimitOptions | undefined): RpcLimits {
  const { valueLength = DEFAULT_VALUE_LENGTH, depth = DEFAULT_DEPTH, streams = 256, handles = 1024 } = checkOptions(options, 'limits', ['valueLength', 'depth', 'streams', 'handles']);
  return {
    valueLength: checkInteger(valueLength, 'limits.valueLength', 1024, 2 ** 31 - 1),
    depth: checkInteger(depth, 'limits.depth', 1, 1000),
    streams: checkInteger(streams, 'limits.streams', 0, 65_536),
    handles: checkInteger(handles, 'limits.handles', 0, 1_000_000),
  };
}
