/** `alpc trace`: what happens on ports, live, without payloads. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { PerfettoWriter, type ProcessInfo, trace, type TraceEvent } from '../../explorer/index.js';
import { resolvePort } from '../../explorer/trace.js';
import { processFacts } from '../../platform/processes.js';
import { acts, type Context, subcommand } from '../context.js';
import { printable } from '../output.js';
import { integer } from './ping.js';

interface TraceOptions {
  readonly format: 'text' | 'json' | 'perfetto';
  readonly output?: string;
  readonly duration?: number;
  readonly interval: number;
}

export function traceCommand(): Command {
  const command = subcommand('trace', 'tell what happens on ports as it happens: connects, messages, waits; never a payload')
    .argument('[port]', 'the full name of one port, or of a link to one')
    .addOption(new Option('--format <format>', 'text, JSON lines, or a file for ui.perfetto.dev').choices(['text', 'json', 'perfetto']).default('text'))
    .option('-o, --output <file>', 'write to a file')
    .option('-d, --duration <ms>', 'end after so many milliseconds', integer(1))
    .option('-i, --interval <ms>', 'milliseconds between two looks', integer(1), 5);
  return acts(command, async ({ out, where, signal, end }: Context, options: TraceOptions, port: string | undefined) => {
    if (port !== undefined) resolvePort(port, where); // a wrong name is told before there is a file
    const format = out.json && options.format === 'text' ? 'json' : options.format;
    const timer = options.duration === undefined ? undefined : setTimeout(end, options.duration).unref(); // the trace keeps it alive, if it can begin
    const stream = options.output === undefined ? process.stdout : createWriteStream(options.output);
    const writing: { error?: NodeJS.ErrnoException } = {};
    stream.once('error', (error) => {
      writing.error = error;
      end();
    });
    const writer = format === 'perfetto' ? new PerfettoLines() : format === 'json' ? { write: (event: TraceEvent) => `${JSON.stringify(event)}\n`, end: () => '' } : { write: textOf, end: () => '' };
    for await (const event of trace({ ...where, ...(port === undefined ? {} : { port }), interval: options.interval, signal })) {
      if (!stream.write(writer.write(event))) await once(stream, 'drain', { signal }).catch(() => undefined);
    }
    clearTimeout(timer);
    const last = writer.end();
    if (stream === process.stdout) await new Promise<void>((resolve) => stream.write(last, () => resolve()));
    else await finished(stream.end(last)).catch(() => undefined); // it has been noted
    if (writing.error !== undefined && writing.error.code !== 'EPIPE') throw writing.error; // EPIPE: whoever read it has had enough
  });
}

function textOf({ at, event, port, pid, tid, role, type, messageId, bytes, missed }: TraceEvent): string {
  const what = event === 'send' || event === 'receive' ? (missed === undefined ? `${type} ${messageId}, ${bytes} bytes` : `${missed} messages went by unseen`) : event === 'wait' || event === 'unwait' ? `thread ${tid}, for ${messageId}` : '';
  return `${at.slice(11, 23)}  ${event.padEnd(10)}  ${String(pid ?? '-').padStart(7)} ${role}  ${printable(port)}  ${what}\n`;
}

/** An array in a file, one element a line. Perfetto takes it even if the end is missing. */
class PerfettoLines {
  readonly #commands = new Map<number, ProcessInfo['command'] | undefined>();
  readonly #perfetto = new PerfettoWriter((pid) => {
    if (!this.#commands.has(pid)) this.#commands.set(pid, processFacts(pid)?.command);
    return this.#commands.get(pid);
  });
  #first = true;

  write(event: TraceEvent): string {
    return this.#lines(this.#perfetto.write(event));
  }

  end(): string {
    return `${this.#lines(this.#perfetto.end())}${this.#first ? '[' : ''}\n]\n`;
  }

  #lines(events: readonly object[]): string {
    return events
      .map((event) => {
        const lead = this.#first ? '[\n' : ',\n';
        this.#first = false;
        return lead + JSON.stringify(event);
      })
      .join('');
  }
}
