/**
 * One of the two processes of a soak; its arguments: 'server' or 'client', the port's name, and a seed.
 *
 * The client is ordered to run phases. It tells the server of each by a request on the same connection, so that an order can't
 * overtake the messages before it; the server takes its part, in the phase's own way of receiving, and says at the end how many
 * messages came.
 */
import { type ClientPort, connectPort, type ConnectionPort, createPort, type Message, type RequestMessage } from '../../src/ports/index.js';
import { actorArguments, obey, tell } from '../support/actor.js';
import { collectGarbage } from '../support/garbage.js';
import { Chance, Checker, Pauses, type Phase, send, take, type Taking, Writer } from './traffic.js';

export type Order = { type: 'run'; phase: Phase } | { type: 'measure' } | { type: 'report' } | { type: 'close' };
export type News =
  | { type: 'ready' }
  | { type: 'ran' }
  /** Bytes of heap after a collection. */
  | { type: 'measured'; heap: number }
  | { type: 'queues'; queues: unknown }
  | { type: 'closed' };

type Told = { start: Phase } | { finish: number };
const BRACE = 0x7b;

const [role, name, seed] = actorArguments() as ['server' | 'client', string, string];
const chance = new Chance(Number(seed));
const pauses = new Pauses(chance);
const writer = new Writer(chance);

if (role === 'server') {
  const port = await createPort(name);
  serve(port);
  obeyAs(() => port.connections.map((connection) => connection.info()), () => port.close());
} else {
  const port = await connectPort(name);
  obeyAs(() => port.info(), () => port.close(), (phase) => run(port, phase));
}
tell<News>({ type: 'ready' });

function obeyAs(queues: () => unknown, close: () => unknown, runPhase?: (phase: Phase) => Promise<void>): void {
  process.on('message', (order: Order) => {
    if (order.type === 'report') tell<News>({ type: 'queues', queues: JSON.stringify(queues(), (key, value: unknown) => (key === 'peer' ? undefined : value)) }); // at once, whatever runs
  });
  obey<Order>({
    run: async ({ phase }) => {
      await runPhase!(phase);
      tell<News>({ type: 'ran' });
    },
    measure: () => {
      collectGarbage();
      tell<News>({ type: 'measured', heap: process.memoryUsage().heapUsed });
    },
    report: () => {},
    close: async () => {
      await close();
      tell<News>({ type: 'closed' });
      process.disconnect();
    },
  });
}

/** The client's part of a phase. */
async function run(port: ClientPort, phase: Phase): Promise<void> {
  await port.request(JSON.stringify({ start: phase } satisfies Told));
  const jobs: Promise<void>[] = [];
  if (phase.from !== 'client') jobs.push(takeAll(port, phase));
  if (phase.from !== 'server') jobs.push(send(port, phase, writer, pauses));
  await Promise.all(jobs);
  const { data } = await port.request(JSON.stringify({ finish: phase.number } satisfies Told));
  const due = phase.from === 'server' ? 0 : phase.count;
  if (data.toString() !== String(due)) throw new Error(`${data.toString()} of ${due} messages of phase ${phase.number} came`);
}

/** The server's part: it always listens, and within a phase that says so it takes messages in that other way. */
function serve(port: ConnectionPort): void {
  let checker = new Checker(0);
  let sending: Promise<void> = Promise.resolve();
  const begin = (request: RequestMessage, phase: Phase): void => {
    checker = new Checker(phase.number);
    request.reply('');
    if (phase.from !== 'client') sending = send(request.port, phase, writer, pauses);
    if (phase.from === 'server' || phase.take === 'on') return;
    port.off('message', handle);
    const taking = takeAll(port, phase, checker);
    void taking.then(() => port.on('message', handle));
  };
  const handle = (message: Message): void => {
    if (message.type !== 'request' && message.type !== 'datagram') return;
    if (message.type === 'datagram' || message.data[0] !== BRACE) return take(message, checker, pauses);
    const told = JSON.parse(message.data.toString()) as Told;
    if ('start' in told) begin(message, told.start);
    else void sending.then(() => message.reply(String(checker.next)));
  };
  port.on('message', handle);
}

/** Takes the messages of a phase, in its way. */
async function takeAll(port: ClientPort | ConnectionPort, { number, take: how, count }: Phase, checker = new Checker(number)): Promise<void> {
  const takeOne = (message: Message): void => take(message as never, checker, pauses);
  const ways: Record<Taking, () => Promise<void> | void> = {
    on: () =>
      new Promise<void>((resolve) => {
        const listener = (message: Message): void => {
          takeOne(message);
          if (checker.next < count) return;
          port.off('message', listener);
          resolve();
        };
        port.on('message', listener);
      }),
    receive: async () => {
      while (checker.next < count) takeOne(await port.receive());
    },
    iterate: async () => {
      for await (const message of port) {
        takeOne(message);
        if (checker.next >= count) break;
      }
    },
    receiveSync: () => {
      while (checker.next < count) takeOne(port.receiveSync());
    },
  };
  await ways[how]();
}
