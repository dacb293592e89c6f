/**
 * The process of a server: `serve-main.js <module> <address> <mode>`, forked by `Server.start`. Says 'ready' once clients
 * can connect, tells its CPU time when asked, and ends with its parent.
 */
import type { Serve } from './server-process.js';

const [module, address, mode] = process.argv.slice(2) as [string, string, string];
const { serve } = (await import(module)) as { serve: Serve };

process.on('disconnect', () => process.exit());
process.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('control' in message)) return;
  const { user, system } = process.cpuUsage();
  process.send!({ cpu: user + system });
});

const goOn = await serve(address, mode);
process.send!('ready', () => goOn?.());
