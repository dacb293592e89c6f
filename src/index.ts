/**
 * alpc: local inter-process communication on the model of Windows' Advanced Local Procedure Call.
 * This is the main door: objects and ports. See README.md for a first look and docs/ for each task.
 */
export { AlpcError, STATUS } from './base/errors.js';
export type { AlpcErrorCode, AlpcStatus } from './base/errors.js';
export type { MessageData } from './base/arguments.js';
export * from './objects/index.js';
export * from './ports/index.js';
export * from './notification/index.js';
