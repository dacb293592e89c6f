/**
 * ZeroMQ over `ipc://`: REQ and REP for one call at a time, DEALER and ROUTER for several, PUSH and PULL one way. Each `send`
 * is awaited before the next, which the library asks for; the high-water mark is lifted for the burst, so that `send` is not
 * the brake. A burst is over when the server, asked by REQ, says that PULL has taken it all.
 */
import { Dealer, Pull, Push, Reply, Request, Router } from 'zeromq';
import { Calls, checkCount, countBytes, readCount } from '../core/calls.js';
import { freshAddress, Server } from '../core/server-process.js';
import type { Peer, Session } from '../peer.js';

const BURST_MARK = 100_000;

export async function serve(address: string, mode: string): Promise<void> {
  if (mode === 'in flight') {
    const router = new Router();
    await router.bind(`ipc://${address}`);
    void routeBack(router);
    return;
  }
  const reply = new Reply();
  await reply.bind(`ipc://${address}`);
  if (mode !== 'one way') return void echo(reply);
  const pull = new Pull({ receiveHighWaterMark: BURST_MARK });
  await pull.bind(`ipc://${address}.push`);
  void countPulled(pull, reply);
}

async function routeBack(router: Router): Promise<void> {
  for await (const [who, id, data] of router) await router.send([who!, id!, data!]);
}

async function echo(reply: Reply): Promise<void> {
  for await (const [data] of reply) await reply.send(data!);
}

/** The question says how many are to come; the answer is what has come by then. */
async function countPulled(pull: Pull, reply: Reply): Promise<void> {
  for await (const [expected] of reply) {
    const until = readCount(expected!);
    let count = 0;
    while (count < until) {
      await pull.receive();
      count++;
    }
    await reply.send(countBytes(count));
  }
}

async function startDealer(server: Server, address: string): Promise<Session> {
  const dealer = new Dealer();
  dealer.connect(`ipc://${address}`);
  const calls = new Calls();
  const receiving = (async () => {
    for await (const [id, data] of dealer) calls.settle(readCount(id!), data!);
  })();
  const queue: [Buffer, Buffer][] = [];
  let sending = false;
  /** One `send` at a time; the library's documentation proposes such a queue. */
  const drain = async (): Promise<void> => {
    sending = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await dealer.send(next);
    sending = false;
  };
  return {
    server,
    echo: (data) =>
      calls.make((id) => {
        queue.push([countBytes(id), data]);
        if (!sending) void drain();
      }),
    async close() {
      dealer.close();
      await receiving;
      await server.end();
    },
  };
}

async function startRequest(server: Server, address: string): Promise<Session> {
  const request = new Request();
  request.connect(`ipc://${address}`);
  const push = new Push({ sendHighWaterMark: BURST_MARK, linger: 0 });
  push.connect(`ipc://${address}.push`);
  const call = async (data: Buffer): Promise<Uint8Array> => {
    await request.send(data);
    const [answer] = await request.receive();
    return answer!;
  };
  return {
    server,
    echo: call,
    async burst(count, data) {
      const answer = call(countBytes(count));
      for (let sent = 0; sent < count; sent++) await push.send(data);
      checkCount(readCount(await answer), count);
    },
    async close() {
      push.close();
      request.close();
      await server.end();
    },
  };
}

export const peer: Peer = {
  async start(scenario) {
    const address = freshAddress();
    const server = await Server.start({ module: import.meta.url, address, mode: scenario });
    return scenario === 'in flight' ? startDealer(server, address) : startRequest(server, address);
  },
};
