/** `alpc explorer`: the page, served to this user alone. */
import type { Command } from 'commander';
import { EXPLORER_PORT, serveExplorer } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { integer } from './ping.js';
import { untilEnded } from './top.js';

interface ExplorerCommandOptions {
  readonly port?: number;
  readonly interval: number;
}

export function explorerCommand(): Command {
  const command = subcommand('explorer', "serve the explorer's page on this machine's own address, and print its link")
    .option('-p, --port <port>', `where to listen, 0: where the kernel chooses; left out, ${EXPLORER_PORT}, or where the kernel chooses while that is taken`, integer(0))
    .option('-i, --interval <ms>', 'milliseconds between two pictures', integer(50), 1000);
  return acts(command, async ({ out, where, signal }: Context, { port, interval }: ExplorerCommandOptions) => {
    await using server = await serveExplorer({ ...where, ...(port === undefined ? {} : { port }), interval });
    if (out.json) out.value({ link: server.link, port: server.port, pid: process.pid });
    else {
      out.line(server.link);
      out.line('The link is for you alone: whoever has it can look. Ctrl+C ends it.');
    }
    await untilEnded(signal);
  });
}
