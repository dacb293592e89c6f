/** A plug-in in a process of its own, so that it can neither crash nor spy on its host: replaces `@include(name)` by what the host reads for it. */
import { serve } from '../../src/rpc/index.js';
import { Host, Plugin } from './host-api.js';

const [endpoint] = process.argv.slice(2) as [string];

await serve(
  Plugin,
  {
    transform({ text }, context) {
      // A synchronous plug-in API: it blocks on its host, which blocks on it, and serves the callback meanwhile.
      const host = context.callbackSync(Host);
      return text.replaceAll(/@include\((\S+)\)/g, (_, name: string) => host.read.sync(name, { timeout: 1000 }));
    },
  },
  { endpoint },
);
process.send!('ready');
process.on('disconnect', () => process.exit());
