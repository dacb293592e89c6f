/**
 * The endpoint mapper: which server has an interface, and where. It is the port `\RPC Control\epmapper`, held by one of the servers with dynamic
 * endpoints; when that one ends another takes the name.
 *
 * The mapper keeps no register. Asked, it asks all servers with dynamic endpoints, by their management interfaces: their names are in the
 * directory, and a name is there for as long as its server lives. So an entry can be neither stale nor lost, whoever holds the mapper's
 * name, and a client that finds nobody there asks the servers itself.
 */
import { deadlineAfter, timeLeft } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { isListOf } from '../base/untrusted.js';
import { listDirectory } from '../objects/index.js';
import { connectPort, type ClientPort } from '../ports/index.js';
import { isDynamic, MAPPER_ENDPOINT, nameOfEndpoint, RPC_DIRECTORY } from './binding-string.js';
import { clientOf } from './binding.js';
import type { Client } from './client-types.js';
import { ConnectionMaker, type Resolver } from './connection-maker.js';
import { call, defineInterface, type Interface, isCompatible, type Methods } from './interface.js';
import { type InterfaceEntry, Management } from './management.js';
import { implement, type Offer } from './offer.js';

export interface MapQuery {
  /** The interface's name; left out: all. */
  readonly name?: string;
  /** Only compatible ones. */
  readonly version?: string;
  readonly uuid?: string | undefined;
}

export const EndpointMapper = defineInterface({ name: 'epmapper', version: '3.0', uuid: 'e1af8308-5d1f-11c9-91a4-08002b14a0fa' }, { map: call<MapQuery, InterfaceEntry[]>() });

export interface MapOptions {
  root?: string;
  timeout?: number;
  signal?: AbortSignal;
}

/** How long one server may take to say what it offers: one that hangs hides nobody else. */
const PATIENCE = 1000;
const MOST_SERVERS = 4096;

/** What servers with dynamic endpoints offer. @throws AlpcError (as rejections) ERR_ALPC_TIMEOUT; the signal's reason */
export async function mapEndpoints(query: MapQuery = {}, options: MapOptions = {}): Promise<InterfaceEntry[]> {
  const { root, timeout = Infinity, signal } = options;
  const deadline = deadlineAfter(timeout);
  try {
    using mapper = await bindTo(EndpointMapper, MAPPER_ENDPOINT, root, Math.min(timeout, 2 * PATIENCE), signal);
    return checkEntries(await mapper.map(query, { timeout: Math.min(timeLeft(deadline), 4 * PATIENCE), ...(signal === undefined ? {} : { signal }) }));
  } catch (error) {
    if (signal?.aborted === true || timeLeft(deadline) <= 0) throw error;
    return askAll(root, query, timeLeft(deadline));
  }
}

/** The name of a port where an interface can be bound. @throws AlpcError (as rejections) ERR_ALPC_NOT_REGISTERED; what `mapEndpoints` throws */
async function lookUp(of: Interface, options: MapOptions): Promise<string> {
  return choose(of, await mapEndpoints(queryFor(of), options));
}

/** As `lookUp`, with the same patience, but blocks this thread. Servers are asked one by one then, up to the first that has it. */
function lookUpSync(of: Interface, { root, timeout }: { root?: string; timeout: number }): string {
  const deadline = deadlineAfter(timeout);
  let entries: InterfaceEntry[];
  try {
    using mapper = bindToSync(EndpointMapper, MAPPER_ENDPOINT, root, Math.min(timeout, 2 * PATIENCE));
    entries = checkEntries(mapper.map.sync(queryFor(of), { timeout: Math.min(timeLeft(deadline), 4 * PATIENCE) }));
  } catch (error) {
    if (timeLeft(deadline) <= 0) throw error;
    entries = askInTurn(root, queryFor(of), deadline);
  }
  return choose(of, entries);
}

export const MAPPER: Resolver = { find: lookUp, findSync: lookUpSync };

type ServeMapper = (offer: Offer, endpoint: string) => Promise<{ close(): Promise<void> }>;

/** A server's wish to hold the mapper's name: it holds it, or waits for the end of who does. */
export class MapperSeat {
  readonly #root: string | undefined;
  readonly #serve: ServeMapper;
  #holder: ClientPort | undefined;
  #held: { close(): Promise<void> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #trying: Promise<void>;

  constructor(root: string | undefined, serve: ServeMapper) {
    this.#root = root;
    this.#serve = serve;
    this.#trying = this.#try();
  }

  /** Resolves when it is known who holds the name. */
  get settled(): Promise<void> {
    return this.#trying;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#trying;
    this.#holder?.close();
    await this.#held?.close();
  }

  async #try(): Promise<void> {
    const root = this.#root;
    try {
      this.#held = await this.#serve(implement(EndpointMapper, { map: (query) => askAll(root, query, 3 * PATIENCE) }), MAPPER_ENDPOINT);
    } catch {
      // Somebody has it, or it may not be had: then this server is found all the same.
      await this.#watchHolder();
    }
  }

  async #watchHolder(): Promise<void> {
    try {
      const holder = await connectPort(nameOfEndpoint(MAPPER_ENDPOINT), { ...rootOption(this.#root), timeout: PATIENCE });
      holder.unref();
      holder.once('close', () => this.#tryLater(0));
      this.#holder = holder;
    } catch {
      this.#tryLater(PATIENCE); // gone meanwhile, or not for us
    }
  }

  #tryLater(milliseconds: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => (this.#trying = this.#try()), milliseconds);
    this.#timer.unref();
  }
}

async function askAll(root: string | undefined, query: MapQuery, timeout: number): Promise<InterfaceEntry[]> {
  const answers = await Promise.all(dynamicEndpoints(root).map((name) => ask(name, root, Math.min(timeout, PATIENCE))));
  return answers.flat().filter((entry) => matches(entry, query));
}

function askInTurn(root: string | undefined, query: MapQuery, deadline: number): InterfaceEntry[] {
  for (const name of dynamicEndpoints(root)) {
    const found = askSync(name, root, Math.min(timeLeft(deadline), PATIENCE)).filter((entry) => matches(entry, query));
    if (found.length > 0) return found;
    if (timeLeft(deadline) <= 0) throw new AlpcError('ERR_ALPC_TIMEOUT', 'the time was over before all servers with dynamic endpoints had been asked');
  }
  return [];
}

function dynamicEndpoints(root: string | undefined): string[] {
  const names: string[] = [];
  try {
    for (const { name } of listDirectory(RPC_DIRECTORY, rootOption(root))) if (isDynamic(name) && names.length < MOST_SERVERS) names.push(name);
  } catch (error) {
    if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_NAME_NOT_FOUND') throw error;
  }
  return names;
}

/** What one server offers; nothing when it is gone, does not answer, or is not for us. */
async function ask(endpoint: string, root: string | undefined, timeout: number): Promise<InterfaceEntry[]> {
  try {
    using server = await bindTo(Management, endpoint, root, timeout);
    return entriesAt(endpoint, await server.interfaces(undefined, { timeout }));
  } catch {
    return [];
  }
}

function askSync(endpoint: string, root: string | undefined, timeout: number): InterfaceEntry[] {
  try {
    using server = bindToSync(Management, endpoint, root, timeout);
    return entriesAt(endpoint, server.interfaces.sync(undefined, { timeout }));
  } catch {
    return [];
  }
}

/** What a server says of itself, but where it is: that is where it was asked. */
function entriesAt(endpoint: string, entries: unknown): InterfaceEntry[] {
  return checkEntries(entries).map((entry) => ({ ...entry, endpoints: [nameOfEndpoint(endpoint)] }));
}

/** Whoever has a name in the directory may say anything. @throws AlpcError ERR_ALPC_PROTOCOL */
function checkEntries(entries: unknown): InterfaceEntry[] {
  if (isListOf(entries, isEntry)) return entries;
  throw new AlpcError('ERR_ALPC_PROTOCOL', 'what was asked for its interfaces answered with something else than a list of them');
}

function isEntry(entry: unknown): entry is InterfaceEntry {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, version, uuid, endpoints, annotation } = entry as Partial<Record<keyof InterfaceEntry, unknown>>;
  const areTexts = [name, version, uuid ?? '', annotation ?? ''].every((text) => typeof text === 'string');
  return areTexts && isListOf(endpoints, (endpoint): endpoint is string => typeof endpoint === 'string');
}

function matches(entry: InterfaceEntry, { name, version, uuid }: MapQuery): boolean {
  return (name === undefined || entry.name === name) && (version === undefined || isCompatible(entry.version, version)) && (uuid === undefined || entry.uuid === undefined || entry.uuid === uuid);
}

function queryFor({ name, version, uuid }: Interface): MapQuery {
  return { name, version, uuid };
}

function choose(of: Interface, entries: readonly InterfaceEntry[]): string {
  const name = entries.find((entry) => matches(entry, queryFor(of)))?.endpoints[0];
  if (typeof name !== 'string') throw new AlpcError('ERR_ALPC_NOT_REGISTERED', `${of}: no server with a dynamic endpoint has it`);
  return name;
}

async function bindTo<M extends Methods>(of: Interface<M>, endpoint: string, root: string | undefined, timeout: number, signal?: AbortSignal): Promise<Client<M>> {
  const maker = new ConnectionMaker(of, endpoint, rootOption(root), undefined, 'awaited');
  return clientOf(of, maker.bindingOver(await maker.connect(timeout, signal)));
}

function bindToSync<M extends Methods>(of: Interface<M>, endpoint: string, root: string | undefined, timeout: number): Client<M> {
  const maker = new ConnectionMaker(of, endpoint, rootOption(root), undefined, 'blocking');
  return clientOf(of, maker.bindingOver(maker.connectSync(timeout)));
}

function rootOption(root: string | undefined): { root?: string } {
  return root === undefined ? {} : { root };
}
