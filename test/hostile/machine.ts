/**
 * A server with clients, beside a model of them: a few lists. Each step does one thing to both, legal or not, and compares what came of it:
 * which message is next, how each call ends, what is refused and with which code.
 *
 * A step that has an effect on the other side waits for it, so that the model knows what is where. What may come in any order (the
 * turns of several clients, the cancellations of an end) is compared as a set.
 */
import assert from 'node:assert/strict';
import { type ClientPort, connectPort, type ConnectionPort, type ConnectionRequestMessage, createPort, type RequestMessage, type ServerPort } from '../../src/index.js';
import { nameOf, outcomeOf } from '../process/expect.js';
import { turn } from '../support/turns.js';

const NAME = '\\RPC Control\\machine';
const PATIENCE = { timeout: 10_000 };

/** A request of a client. */
interface Call {
  readonly text: string;
  readonly real: Promise<string>;
  readonly controller: AbortController;
  /** 'gone': its sender gave it up, and the server knows. */
  state: 'unread' | 'taken' | 'answered' | 'gone';
  /** How it ends; undefined while it is outstanding. */
  outcome?: string;
  message?: RequestMessage;
}

/** What stands in a queue of the model. */
type Entry = { what: 'datagram'; text: string } | { what: 'request' | 'cancel' | 'canceled'; call: Call } | { what: 'port-closed' };

class Client {
  real: ClientPort | undefined;
  atServer: ServerPort | undefined;
  /** How its connect ended. */
  readonly connected: Promise<string>;
  state: 'connecting' | 'open' | 'closed' | 'refused' = 'connecting';
  /** Who ended it. */
  closedBy: 'client' | 'server' | undefined;
  toServer: Entry[] = [];
  toClient: Entry[] = [];
  readonly calls: Call[] = [];

  /** `number` is what it says when it connects. */
  constructor(root: string, readonly number: string) {
    this.connected = connectPort(NAME, { root, data: number, ...PATIENCE }).then(
      (port) => {
        this.real = port;
        return 'connected';
      },
      nameOf,
    );
  }
}

interface Asked {
  readonly client: Client;
  message?: ConnectionRequestMessage;
  /** 'over': the port was closed before it was decided. */
  state: 'waiting' | 'taken' | 'decided' | 'over';
}

export class Machine {
  #server: ConnectionPort | undefined;
  readonly #clients: Client[] = [];
  readonly #asked: Asked[] = [];
  readonly #taken: { client: Client; call: Call }[] = [];
  #texts = 0;

  constructor(readonly root: string, readonly asks: boolean) {}

  /** The steps, by their names; the numbers choose whom. */
  readonly steps = {
    open: async (): Promise<void> => {
      const opening = createPort(NAME, { root: this.root, connect: this.asks ? 'ask' : 'allow' });
      if (this.#server === undefined) this.#server = await opening;
      else assert.equal(await opening.then(() => 'made', nameOf), 'ERR_ALPC_NAME_IN_USE');
    },

    connect: async (): Promise<void> => {
      const client = new Client(this.root, this.#text());
      if (this.#server === undefined) {
        assert.equal(await client.connected, 'ERR_ALPC_NAME_NOT_FOUND');
        return;
      }
      this.#clients.push(client);
      if (this.asks) this.#asked.push({ client, state: 'waiting' });
      else await this.#isConnected(client);
    },

    decide: async (which: number, how: number): Promise<void> => {
      const asked = pick(this.#asked.filter(({ message }) => message !== undefined), which);
      if (asked === undefined) return;
      const { client, message } = asked;
      const outcome = attempt(() => (how % 2 === 0 ? message!.accept({ context: client }) : message!.reject()));
      if (asked.state === 'taken') {
        assert.equal(outcome, 'done');
        if (how % 2 === 0) await this.#isConnected(client);
        else {
          assert.equal(await client.connected, 'ERR_ALPC_REFUSED');
          client.state = 'refused';
        }
        asked.state = 'decided';
      } else assert.equal(outcome, asked.state === 'over' ? 'ERR_ALPC_CLOSED' : 'ERR_ALPC_REPLY_MISMATCH');
      if (asked.state === 'over') asked.state = 'decided';
    },

    post: (which: number): void => {
      const client = this.#client(which);
      if (client === undefined) return;
      const text = this.#text();
      assert.equal(client.real!.tryPost(text), client.state === 'open' ? 'sent' : 'disconnected');
      if (client.state === 'open') client.toServer.push({ what: 'datagram', text });
    },

    request: async (which: number): Promise<void> => {
      const client = this.#client(which);
      if (client === undefined) return;
      const text = this.#text();
      const controller = new AbortController();
      const real = outcomeOf(client.real!.request(text, { signal: controller.signal }));
      if (client.state !== 'open') return assert.equal(await real, client.closedBy === 'client' ? 'ERR_ALPC_CLOSED' : 'ERR_ALPC_DISCONNECTED');
      const call: Call = { text, real, controller, state: 'unread' };
      client.calls.push(call);
      client.toServer.push({ what: 'request', call });
    },

    abort: async (which: number): Promise<void> => {
      const found = pick(this.#clients.flatMap((client) => client.calls.filter(({ outcome }) => outcome === undefined).map((call) => ({ client, call }))), which);
      if (found === undefined) return;
      const { client, call } = found;
      call.controller.abort();
      await this.#settles(call, 'AbortError');
      if (call.state === 'unread') client.toServer = client.toServer.filter((entry) => !('call' in entry && entry.call === call));
      else client.toServer.push({ what: 'cancel', call });
    },

    'receive at the server': async (): Promise<void> => {
      if (this.#server === undefined) return;
      const waiting = this.#asked.filter(({ state }) => state === 'waiting');
      const heads = new Map(this.#clients.map((client) => [client, this.#next(client)]));
      if (waiting.length === 0 && [...heads.values()].every((entry) => entry === undefined)) return assert.equal(this.#server.tryReceive(), undefined);
      const message = await this.#server.receive(PATIENCE);
      if (message.type === 'connection-request') {
        const asked = waiting.find(({ client }) => client.number === String(message.data)); // of several newcomers any may be the first
        assert.ok(asked !== undefined, `newcomer ${message.data}`);
        asked.message = message;
        asked.state = 'taken';
        return;
      }
      const client = this.#clients.find(({ atServer }) => atServer === message.port)!;
      const entry = heads.get(client);
      assert.ok(entry !== undefined, `a ${message.type} came from a client that sent nothing`);
      if (entry.what === 'canceled' || entry.what === 'port-closed') return this.#receiveEnd(client, message);
      assert.equal(message.type, entry.what === 'cancel' ? 'canceled' : entry.what);
      client.toServer.splice(0, client.toServer.indexOf(entry) + 1);
      if (entry.what === 'datagram') return assert.equal(String(message.data), entry.text);
      if (message.type === 'canceled') {
        assert.equal(message.request, entry.call.message);
        entry.call.state = 'gone';
      } else if (message.type === 'request') {
        assert.equal(String(message.data), entry.call.text);
        if (this.asks) assert.equal(message.portContext, client);
        entry.call.state = 'taken';
        entry.call.message = message;
        this.#taken.push({ client, call: entry.call });
      }
    },

    'reply': async (which: number, how: number): Promise<void> => {
      const found = pick(this.#taken, which);
      if (found === undefined) return;
      const { client, call } = found;
      const text = this.#text();
      const answer = how % 4 === 0 ? () => call.message!.cancel() : () => call.message!.reply(text);
      if (call.state === 'answered') return assert.throws(answer, (error) => nameOf(error) === 'ERR_ALPC_REPLY_MISMATCH');
      const isConnected = client.state === 'open';
      assert.equal(answer(), !isConnected ? 'disconnected' : call.state === 'gone' ? 'canceled' : 'sent');
      if (call.state === 'gone' || !isConnected) return;
      call.state = 'answered';
      await this.#settles(call, how % 4 === 0 ? 'ERR_ALPC_CANCELED' : text);
    },

    'post from the server': (which: number): void => {
      const client = this.#client(which);
      if (client === undefined) return;
      const text = this.#text();
      assert.equal(client.atServer!.tryPost(text), client.state === 'open' ? 'sent' : 'disconnected');
      if (client.state === 'open') client.toClient.push({ what: 'datagram', text });
    },

    'receive at a client': async (which: number): Promise<void> => {
      const client = this.#client(which);
      if (client === undefined) return;
      const entry = client.toClient.shift();
      if (entry === undefined) {
        assert.equal(client.real!.tryReceive(), undefined);
        if (client.state === 'closed') assert.equal(await client.real!.receive(PATIENCE).then(() => 'something', nameOf), client.closedBy === 'client' ? 'ERR_ALPC_CLOSED' : 'ERR_ALPC_DISCONNECTED');
        return;
      }
      const message = await client.real!.receive(PATIENCE);
      assert.equal(message.type, entry.what);
      if (entry.what === 'datagram') assert.equal(String(message.data), entry.text);
    },

    'close a client': async (which: number): Promise<void> => {
      const client = this.#client(which);
      if (client === undefined) return;
      client.real!.close();
      client.toClient = [];
      if (client.state !== 'open') return;
      client.state = 'closed';
      client.closedBy = 'client';
      await this.#settleAll(client, 'ERR_ALPC_CANCELED');
      while (this.#server!.connections.includes(client.atServer!)) await turn();
      this.#leave(client);
    },

    'disconnect': async (which: number): Promise<void> => {
      const client = this.#client(which);
      if (client === undefined) return;
      client.atServer!.disconnect();
      if (client.state === 'open') await this.#disconnected(client);
      else if (client.closedBy === 'client') client.toServer = []; // its last words too
    },

    'close the server': async (): Promise<void> => {
      if (this.#server === undefined) return;
      const server = this.#server;
      this.#server = undefined;
      await server.close();
      for (const client of this.#clients) {
        if (client.state === 'open') await this.#disconnected(client);
        client.toServer = [];
      }
      for (const asked of this.#asked) {
        if (asked.client.state !== 'connecting') continue;
        assert.equal(await asked.client.connected, 'ERR_ALPC_DISCONNECTED');
        asked.client.state = 'refused';
        asked.state = 'over';
      }
      assert.equal(server.tryReceive(), undefined);
      assert.equal(await server.receive().then(() => 'something', nameOf), 'ERR_ALPC_CLOSED');
      assert.equal(attempt(() => server.receiveSync()), 'ERR_ALPC_CLOSED');
      await server.close();
    },

    'ask for what can not be': async (which: number, how: number): Promise<void> => {
      const client = this.#client(which);
      if (client === undefined) return;
      const port = how % 2 === 0 ? client.real! : client.atServer!;
      const wrong = [5, null, undefined, {}, [1], Symbol('data')][how % 6] as string;
      for (const call of [() => port.tryPost(wrong), () => port.requestSync(wrong), () => port.postSync(wrong)]) assert.equal(attempt(call), 'ERR_ALPC_INVALID_ARGUMENT');
      for (const call of [port.request(wrong), port.post(wrong)]) assert.equal(await call.then(() => 'done', nameOf), 'ERR_ALPC_INVALID_ARGUMENT');
      assert.equal(attempt(() => port.tryPost(Buffer.alloc(65_504))), 'ERR_ALPC_MESSAGE_TOO_LONG');
    },

    'let time pass': async (): Promise<void> => {
      await turn();
      await turn();
    },
  };

  /** Everything that is still outstanding comes to its end, and that is what the model says. */
  async finish(): Promise<void> {
    await this.steps['close the server']();
    for (const client of this.#clients) {
      client.real?.close();
      for (const call of client.calls) assert.equal(await call.real, call.outcome);
    }
  }

  // ---- engine room -------------------------------------------------------------------------------------------------

  #client(which: number): Client | undefined {
    return pick(this.#clients.filter(({ real }) => real !== undefined), which);
  }

  #text(): string {
    return `text ${++this.#texts}`;
  }

  async #isConnected(client: Client): Promise<void> {
    assert.equal(await client.connected, 'connected');
    client.atServer = this.#server!.connections.find((port) => !this.#clients.some(({ atServer }) => atServer === port))!;
    client.state = 'open';
  }

  /** The call has ended like this, if it had not ended before. */
  async #settles(call: Call, outcome: string): Promise<void> {
    call.outcome ??= outcome;
    assert.equal(await call.real, call.outcome);
  }

  async #settleAll(client: Client, outcome: string): Promise<void> {
    for (const call of client.calls) if (call.outcome === undefined) await this.#settles(call, outcome);
  }

  /** The server has ended it: what it sent is dropped, and it is told. */
  async #disconnected(client: Client): Promise<void> {
    client.state = 'closed';
    client.closedBy = 'server';
    client.toServer = [];
    for (const call of client.calls) if (call.state === 'taken') call.state = 'gone';
    await this.#settleAll(client, 'ERR_ALPC_DISCONNECTED');
    while (!client.real!.closed) await turn();
    client.toClient.push({ what: 'port-closed' });
  }

  /** The client has gone: its datagrams can still be received, its requests not, and then its last words. */
  #leave(client: Client): void {
    const left = client.toServer.filter(({ what }) => what !== 'request').flatMap((entry): Entry[] => {
      if (entry.what !== 'cancel') return [entry];
      if (entry.call.state !== 'taken') return [];
      entry.call.state = 'gone';
      return [entry];
    });
    const unanswered = client.calls.filter(({ state }) => state === 'taken');
    for (const call of unanswered) call.state = 'gone';
    client.toServer = [...left, ...unanswered.map((call): Entry => ({ what: 'canceled', call })), { what: 'port-closed' }];
  }

  /** The next entry that the server will see of a client: cancellations of what is answered or gone are nothing. */
  #next(client: Client): Entry | undefined {
    if (client.state === 'closed') return client.toServer[0];
    return client.toServer.find((entry) => entry.what !== 'cancel' || entry.call.state === 'taken');
  }

  /** One of a client's last words. */
  #receiveEnd(client: Client, message: { type: string; request?: RequestMessage; reason?: string }): void {
    const place = client.toServer.findIndex((entry) => entry.what === message.type && (entry.what !== 'canceled' || entry.call.message === message.request));
    assert.ok(place >= 0 && (message.type === 'canceled' || client.toServer.length === 1), `${message.type} among the last words`);
    if (message.type === 'port-closed') assert.equal(message.reason, 'disconnected');
    client.toServer.splice(place, 1);
  }
}

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % Math.max(1, list.length)];
}

function attempt(call: () => unknown): string {
  try {
    call();
    return 'done';
  } catch (error) {
    return nameOf(error);
  }
}
