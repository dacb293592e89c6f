/** What a host and its plug-ins say to each other: the host calls the plug-in, which calls the host back, and both may block. */
import { call, defineInterface } from '../../src/rpc/index.js';

/** Offered by the plug-in: rewrites a document. */
export const Plugin = defineInterface({ name: 'plugin', version: '1.0' }, { transform: call<{ path: string; text: string }, string>() });

/** Offered by the host, to whoever works for it: reads a file, as the host lets it. */
export const Host = defineInterface({ name: 'host', version: '1.0' }, { read: call<string, string>() });
