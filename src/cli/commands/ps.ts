/** `alpc ps`, `alpc waits` and `alpc deadlocks`: processes, and who waits for whom. */
import type { Command } from 'commander';
import { inspectGraph, inspectWaits } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { Exit } from '../exit-codes.js';
import { agoText, asFarAsSeen, printable } from '../output.js';
import { account } from './show.js';

export function psCommand(): Command {
  return acts(subcommand('ps', 'list the processes that have to do with ports'), ({ out, where }: Context) => {
    const { processes, hiddenProcesses } = inspectGraph(where);
    if (out.json) return out.value(processes);
    const lines = out.table(processes, [
      { title: 'PID', of: ({ pid }) => pid, right: true },
      { title: 'User', of: ({ user }) => account(user), spare: 2 },
      { title: 'State', of: ({ state }) => state, colour: ({ state }) => (state === 'stopped' ? 'red' : undefined) },
      { title: 'Age', of: ({ started }) => agoText(started), right: true, spare: 5 },
      { title: 'Serves', of: ({ asServer }) => asServer, right: true, spare: 3 },
      { title: 'Connected', of: ({ asClient }) => asClient, right: true, spare: 4 },
      { title: 'Waiting', of: ({ waiting }) => waiting, right: true, colour: ({ waiting }) => (waiting > 0 ? 'yellow' : undefined) },
      { title: 'Ports', of: ({ ports }) => ports.join(', '), least: 16 },
      { title: 'Command', of: ({ command }) => command, least: 16, spare: 1 },
    ]);
    for (const line of [...lines, asFarAsSeen(hiddenProcesses)]) if (line !== undefined) out.line(line);
  });
}

export function waitsCommand(): Command {
  return acts(subcommand('waits', 'show which threads wait for whose reply'), ({ out, where }: Context) => {
    const graph = inspectWaits(where);
    if (out.json) return out.value(graph);
    for (const { text } of graph.waits) out.line(printable(text));
    for (const { text } of graph.cycles) out.line(out.colour('red', `deadlock: ${printable(text)}`));
    const limits = asFarAsSeen(graph.hiddenProcesses);
    if (graph.waits.length === 0) out.line(limits === undefined ? 'nobody waits' : `nobody waits, ${limits}`);
    else if (limits !== undefined) out.line(limits);
  });
}

export function deadlocksCommand(): Command {
  return acts(subcommand('deadlocks', 'find threads that wait for each other; the exit code tells whether there are any'), ({ out, where }: Context) => {
    const { at, cycles, hiddenProcesses } = inspectWaits(where);
    const exit = cycles.length > 0 ? Exit.found : Exit.done;
    if (out.json) {
      out.value({ at, cycles, hiddenProcesses });
      return exit;
    }
    for (const { text, waits } of cycles) {
      out.line(out.colour('red', `deadlock: ${printable(text)}`));
      for (const wait of waits) out.line(`  ${printable(wait.text)}`);
    }
    const limits = asFarAsSeen(hiddenProcesses);
    if (cycles.length === 0) out.line(limits === undefined ? 'no deadlocks' : `no deadlocks, ${limits}`);
    else if (limits !== undefined) out.line(limits);
    return exit;
  });
}
