/**
 * A host with a synchronous plug-in: its own API is a plain function, `render(path)`, as a template engine or a bundler has it, and the plug-in runs
 * in another process all the same.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AlpcError, bindSync, implement } from '../../src/rpc/index.js';
import { Host, Plugin } from './host-api.js';

const FILES: Record<string, string> = { 'page.txt': '@include(head.txt)\nThe text.\n@include(foot.txt)', 'head.txt': '*** A page ***', 'foot.txt': '-- the end' };

const endpoint = `plugin-${process.pid}`;
const child = fork(fileURLToPath(new URL('./plugin.js', import.meta.url)), [endpoint]);
await once(child, 'message');

const host = implement(Host, {
  read(name) {
    if (!Object.hasOwn(FILES, name)) throw new AlpcError('ERR_ALPC_ACCESS_DENIED', `${name} is not for plug-ins`);
    return FILES[name]!;
  },
});
const plugin = bindSync(Plugin, endpoint, { callbacks: [host] });

function render(path: string): string {
  return plugin.transform.sync({ path, text: FILES[path]! }, { timeout: 5000 });
}

console.log(render('page.txt'));
try {
  plugin.transform.sync({ path: 'x', text: '@include(/etc/passwd)' });
} catch (error) {
  console.log(`refused: ${(error as Error).message}`);
}
plugin.close();
child.disconnect();
