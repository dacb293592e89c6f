/** Serves the interface of times.ts, for callers that block. */
import { serve } from '../../src/rpc/index.js';
import { obey, tell } from '../support/actor.js';
import { handlers, Times } from './times.js';

export type News = { type: 'ready' };

await serve(Times, handlers, { endpoint: 'times' });
obey<never>({});
tell<News>({ type: 'ready' });
