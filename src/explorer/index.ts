/**
 * alpc/explorer: looking at the namespace, its ports and who is connected, from outside. See docs/explorer.md.
 */
export { inspectGraph, inspectObject, inspectProcesses, inspectTree, inspectWaits } from './inspect.js';
export type * from './model.js';
export { type PerfettoEvent, PerfettoWriter } from './perfetto.js';
export { trace, type TraceOptions } from './trace.js';
export { EXPLORER_PORT } from './http/listen.js';
export { type ExplorerOptions, type ExplorerServer, serveExplorer } from './serve.js';
export { version } from './version.js';
