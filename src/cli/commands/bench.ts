/** `alpc bench`: a first impression of how fast this machine is, in a few seconds, in a namespace of its own. `npm run bench` in the source measures everything. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { connectPort, createPort } from '../../ports/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { microsecondsText } from '../output.js';
import { decimal } from './ping.js';

const PORT = '\\RPC Control\\bench';
const PAYLOAD = Buffer.alloc(64, 'x');

interface Figures {
  readonly blockingCallMicroseconds: number;
  readonly awaitedCallMicroseconds: number;
  readonly socketEchoMicroseconds: number;
  readonly oneWayMessagesPerSecond: number;
}

export function benchCommand(): Command {
  const command = subcommand('bench', 'a first impression of how fast calls are here, beside a Unix socket').option('-s, --seconds <n>', 'for each of the four', decimal(0.1), 1);
  return acts(command, async ({ out }: Context, { seconds }: { seconds: number }) => {
    const figures = await measure(seconds * 1000);
    if (out.json) return out.value(figures);
    const to = (of: number): string => `${microsecondsText(of).padStart(10)}   ${of === figures.socketEchoMicroseconds ? '1' : `1/${Math.round(figures.socketEchoMicroseconds / of)}`}`;
    out.line('64 bytes, one call at a time, median, and in proportion to the echo over a Unix socket:');
    out.line(`  blocking call      ${to(figures.blockingCallMicroseconds)}`);
    out.line(`  awaited call       ${to(figures.awaitedCallMicroseconds)}`);
    out.line(`  Unix socket echo   ${to(figures.socketEchoMicroseconds)}`);
    out.line(`one-way messages a second: ${Math.round(figures.oneWayMessagesPerSecond).toLocaleString('en-US')}`);
  });
}

async function measure(milliseconds: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), 'alpc-bench-'));
  const server = fork(fileURLToPath(import.meta.url), [directory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    await once(server, 'message');
    await using client = await connectPort(PORT, { root: join(directory, 'root') });
    const blocking = medianOf(milliseconds, () => client.requestSync(PAYLOAD));
    const awaited = await medianOfAwaited(milliseconds, () => client.request(PAYLOAD));
    const oneWay = await countOneWay(milliseconds, client);
    const socket = await echo(join(directory, 'socket'), milliseconds);
    return { blockingCallMicroseconds: blocking, awaitedCallMicroseconds: awaited, socketEchoMicroseconds: socket, oneWayMessagesPerSecond: oneWay };
  } finally {
    server.kill();
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    rmSync(directory, { recursive: true, force: true });
  }
}

function medianOf(milliseconds: number, call: () => unknown): number {
  const times: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const start = performance.now();
    call();
    times.push(performance.now() - start);
  }
  return middle(times);
}

async function medianOfAwaited(milliseconds: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return middle(times);
}

async function countOneWay(milliseconds: number, client: Awaited<ReturnType<typeof connectPort>>): Promise<number> {
  const start = performance.now();
  let sent = 0;
  while (performance.now() - start < milliseconds) {
    for (let i = 0; i < 1000; i++) {
      if (client.tryPost(PAYLOAD) === 'sent') sent++;
      else await client.post(PAYLOAD).then(() => sent++);
    }
  }
  await client.request(PAYLOAD); // behind all of them
  return sent / ((performance.now() - start) / 1000);
}

async function echo(path: string, milliseconds: number): Promise<number> {
  const socket = connect(path);
  await once(socket, 'connect');
  const call = async (): Promise<void> => {
    socket.write(PAYLOAD);
    for (let got = 0; got < PAYLOAD.length; ) got += ((await once(socket, 'data')) as [Buffer])[0].length;
  };
  const median = await medianOfAwaited(milliseconds, call);
  socket.destroy();
  return median;
}

/** In microseconds. */
function middle(times: readonly number[]): number {
  return Number(((times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0) * 1000).toPrecision(3));
}

/** The other process: answers everything with what came. */
async function serve(directory: string): Promise<void> {
  const port = await createPort(PORT, { root: join(directory, 'root') });
  port.on('message', (message) => {
    if (message.type === 'request') message.reply(message.data);
  });
  const sockets = createServer((socket: Socket) => socket.pipe(socket));
  sockets.listen(join(directory, 'socket'));
  await once(sockets, 'listening');
  process.on('disconnect', () => process.exit());
  process.send!('ready');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2]!);
