/** `alpc explorer`: the page, served to this user alone. */
import type { Command } from 'commander';
import { serveExplorer } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { integer } from './ping.js';
import { untilEnded } from './top.js';

interface ExplorerCommandOptions {
  readonly port?: number;
  readonly interval: number;
}

export function explorerCommand(): Command {
  const command = subcommand('explorer', "serve the explorer's page on this machine's own address, and print its link")
    .option('-p, --port <port>', 'where to listen; left out, where the kernel chooses', integer(0))
    .option('-i, --interval <ms>', 'milliseconds between two pictures', integer(50), 1000);
  return acts(command, async ({ out, where, signal }: Context, { port = 0, interval }: ExplorerCommandOptions) => {
    await using server = await serveExplorer({ ...where, port, interval });
    if (out.json) out.value({ link: server.link, port: server.port, pid: process.pid });
    else {
      out.line(server.link);
      out.line('The link is for you alone: whoever has it can look. Ctrl+C ends it.');
    }
    await untilEnded(signal);
  });
}
