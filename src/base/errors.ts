/**
 * The one error class, and the table of what can go wrong.
 *
 * Every failure that alpc reports is an `AlpcError` with a stable `code` (`ERR_ALPC_...`), the NTSTATUS name that Windows
 * gives to the same failure, and a line that says which object failed in which state. What is expected (a full ring, an
 * empty queue) is not an error: those calls return a value. An aborted `signal` rejects with its own reason, as in Node.
 */

/** Error codes, each with the NTSTATUS name (and value) of its counterpart on Windows. */
export const STATUS = {
  ERR_ALPC_TIMEOUT: ['STATUS_TIMEOUT', 0x00000102],
  ERR_ALPC_CANCELED: ['STATUS_REQUEST_CANCELED', 0xc0000703],
  ERR_ALPC_MESSAGE_LOST: ['STATUS_MESSAGE_LOST', 0xc0000701],
  ERR_ALPC_DISCONNECTED: ['STATUS_PORT_DISCONNECTED', 0xc0000037],
  ERR_ALPC_CLOSED: ['STATUS_PORT_CLOSED', 0xc0000700],
  ERR_ALPC_REFUSED: ['STATUS_PORT_CONNECTION_REFUSED', 0xc0000041],
  ERR_ALPC_NAME_NOT_FOUND: ['STATUS_OBJECT_NAME_NOT_FOUND', 0xc0000034],
  ERR_ALPC_NAME_IN_USE: ['STATUS_OBJECT_NAME_COLLISION', 0xc0000035],
  ERR_ALPC_NAME_INVALID: ['STATUS_OBJECT_NAME_INVALID', 0xc0000033],
  ERR_ALPC_ALREADY_SET: ['STATUS_PORT_ALREADY_SET', 0xc0000048],
  ERR_ALPC_ACCESS_DENIED: ['STATUS_ACCESS_DENIED', 0xc0000022],
  ERR_ALPC_SERVER_MISMATCH: ['STATUS_SERVER_SID_MISMATCH', 0xc00002a0],
  ERR_ALPC_MESSAGE_TOO_LONG: ['STATUS_PORT_MESSAGE_TOO_LONG', 0xc000002f],
  ERR_ALPC_REPLY_MISMATCH: ['STATUS_REPLY_MESSAGE_MISMATCH', 0xc000021f],
  ERR_ALPC_QUOTA_EXCEEDED: ['STATUS_QUOTA_EXCEEDED', 0xc0000044],
  ERR_ALPC_RESOURCE_IN_USE: ['STATUS_RESOURCE_IN_USE', 0xc0000708],
  ERR_ALPC_NOT_ACCEPTED: ['STATUS_INVALID_PORT_ATTRIBUTES', 0xc000032e],
  ERR_ALPC_INSUFFICIENT_RESOURCES: ['STATUS_INSUFFICIENT_RESOURCES', 0xc000009a],
  ERR_ALPC_DEADLOCK: ['STATUS_POSSIBLE_DEADLOCK', 0xc0000194],
  ERR_ALPC_PROTOCOL: ['STATUS_INVALID_MESSAGE', 0xc0000702],
  ERR_ALPC_INVALID_ARGUMENT: ['STATUS_INVALID_PARAMETER', 0xc000000d],
  ERR_ALPC_OBJECT_TYPE_MISMATCH: ['STATUS_OBJECT_TYPE_MISMATCH', 0xc0000024],
  ERR_ALPC_UNSUPPORTED_PLATFORM: ['STATUS_NOT_SUPPORTED', 0xc00000bb],
  ERR_ALPC_BAD_VALUE: ['RPC_NT_BAD_STUB_DATA', 0xc003000c],
  ERR_ALPC_UNKNOWN_INTERFACE: ['RPC_NT_UNKNOWN_IF', 0xc0020012],
  ERR_ALPC_UNKNOWN_METHOD: ['RPC_NT_PROCNUM_OUT_OF_RANGE', 0xc002002e],
  ERR_ALPC_NOT_REGISTERED: ['EPT_NT_NOT_REGISTERED', 0xc0020036],
  ERR_ALPC_NOT_EXECUTED: ['RPC_NT_CALL_FAILED_DNE', 0xc002001c],
  ERR_ALPC_CONTEXT_MISMATCH: ['RPC_NT_SS_CONTEXT_MISMATCH', 0xc0030005],
} as const;

export type AlpcErrorCode = keyof typeof STATUS;
export type AlpcStatus = (typeof STATUS)[AlpcErrorCode][0];

export interface AlpcErrorDetails {
  /** What led to this error. */
  cause?: unknown;
  /** The payload that the server sent with its refusal (`ERR_ALPC_REFUSED`). */
  data?: Uint8Array;
  /** The operating system's own name for it (`EACCES`), where it said so. */
  errno?: string;
  /** The system call that failed. */
  syscall?: string;
}

const BRAND = Symbol.for('alpc.error');

/** What every call of alpc throws or rejects with. Check `code`; `AlpcError.is(e)` also knows errors of another copy of this package. */
export class AlpcError extends Error {
  override readonly name = 'AlpcError';
  readonly code: AlpcErrorCode;
  /** The NTSTATUS name, such as `STATUS_TIMEOUT`. */
  readonly status: AlpcStatus;
  /** The NTSTATUS value, to compare with Windows tools. */
  readonly statusCode: number;
  declare readonly errno?: string;
  declare readonly syscall?: string;
  declare readonly data?: Uint8Array;

  constructor(code: AlpcErrorCode, message: string, details: AlpcErrorDetails = {}) {
    super(`${message} [${STATUS[code][0]}]`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = STATUS[code][0];
    this.statusCode = STATUS[code][1];
    if (details.errno !== undefined) this.errno = details.errno;
    if (details.syscall !== undefined) this.syscall = details.syscall;
    if (details.data !== undefined) this.data = details.data;
    Object.defineProperty(this, BRAND, { value: true });
  }

  static is(error: unknown): error is AlpcError {
    return typeof error === 'object' && error !== null && BRAND in error;
  }
}
