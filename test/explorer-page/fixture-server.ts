/**
 * A server for looking at the page without a namespace: it answers as docs/explorer-api.md says, out of test/explorer/fixture.json, and lets time pass over it: messages
 * are counted up, objects come and go.
 *
 *     node dist/test/explorer-page/fixture-server.js --port=8080 --objects=10000
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { CONTENT_SECURITY_POLICY, readPage } from '../../src/explorer/http/page.js';
import type { ExplorerInfo, Graph, LatencyHistogram, ObjectDetails, ObjectEvent, Tree, TreeObject, WaitGraph } from '../../src/explorer/model.js';

export const FIXTURE_TOKEN = 'a-token-for-the-fixture';

export interface Fixture {
  info: ExplorerInfo;
  tree: Tree;
  objects: Record<string, ObjectDetails>;
  graph: Graph;
  waits: WaitGraph;
}

export interface FixtureOptions {
  port?: number;
  /** So many objects more, in `\BaseNamedObjects`. */
  objects?: number;
  /** Milliseconds between two pictures. */
  interval?: number;
  /** Whether objects come and go of themselves. */
  lively?: boolean;
  /** What there is instead of the fixture. */
  change?: (fixture: Fixture) => Fixture;
}

export interface FixtureServer extends AsyncDisposable {
  readonly url: string;
  readonly link: string;
  /** Tells every page that listens. */
  tell(events: ObjectEvent[]): void;
}

export function readFixture(): Fixture {
  return JSON.parse(readFileSync(fileURLToPath(new URL('../../../test/explorer/fixture.json', import.meta.url)), 'utf8')) as Fixture;
}

export async function serveFixture({ port = 0, objects = 0, interval = 1000, lively = false, change = (fixture) => fixture }: FixtureOptions = {}): Promise<FixtureServer> {
  const fixture = change(readFixture());
  const tree = new Map(fixture.tree.objects.map((object) => [object.name, object]));
  for (let index = 0; index < objects; index++) add(tree, { name: `\\BaseNamedObjects\\${['Worker', 'cache', 'Queue', 'session'][index % 4]}-${index}`, type: (['Section', 'Event', 'ALPC Port', 'Event'] as const)[index % 4]! });
  const scene: Scene = { fixture, tree, begun: Date.now(), listeners: new Set() };
  const files = readPage();
  const server = createServer((request, response) => answer(scene, files, request, response));
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  const tell = (events: ObjectEvent[]): void => {
    for (const { event, ...object } of events) {
      if (event === 'removed') tree.delete(object.name);
      else add(tree, object);
    }
    for (const { response } of scene.listeners) write(response, 'objects', events);
  };
  const timers = [setInterval(() => pictures(scene), interval), ...(lively ? [comeAndGo(tell)] : [])];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, link: `${url}#token=${FIXTURE_TOKEN}`, tell, [Symbol.asyncDispose]: () => close(server, timers) };
}

interface Scene {
  readonly fixture: Fixture;
  readonly tree: Map<string, TreeObject>;
  readonly begun: number;
  readonly listeners: Set<{ response: ServerResponse; port: string | null; graph: boolean }>;
}

function answer(scene: Scene, files: ReturnType<typeof readPage>, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url!, 'http://page');
  response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY);
  if (!pathname.startsWith('/api/')) {
    const file = files.get(pathname);
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' }).end(file?.body);
    return;
  }
  const json = (body: unknown, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const refuse = (status: number, code: string, message: string): void => json({ error: { code, message } }, status);
  if (request.headers.authorization !== `Bearer ${FIXTURE_TOKEN}`) return refuse(401, 'token', 'the token is wrong');
  switch (pathname) {
    case '/api/info': return json(scene.fixture.info);
    case '/api/tree': return json({ ...scene.fixture.tree, objects: [...scene.tree.values()] });
    case '/api/graph': return json(graphNow(scene));
    case '/api/waits': return json(scene.fixture.waits);
    case '/api/object': {
      const details = detailsNow(scene, searchParams.get('name') ?? '');
      return details === undefined ? refuse(404, 'ERR_ALPC_NAME_NOT_FOUND', `'${searchParams.get('name')}': there is no such object`) : json(details);
    }
    case '/api/events': {
      const listener = { response, port: searchParams.get('port'), graph: searchParams.get('graph') === '1' };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      write(response, 'info', scene.fixture.info);
      scene.listeners.add(listener);
      response.on('close', () => scene.listeners.delete(listener));
      return picture(scene, listener);
    }
    default: return refuse(404, 'not-found', 'there is no such route');
  }
}

function pictures(scene: Scene): void {
  for (const listener of scene.listeners) picture(scene, listener);
}

function picture(scene: Scene, { response, port, graph }: { response: ServerResponse; port: string | null; graph: boolean }): void {
  if (graph) write(response, 'graph', graphNow(scene));
  if (port !== null) write(response, 'port', detailsNow(scene, port) ?? { name: port, gone: true });
}

function write(response: ServerResponse, event: string, data: unknown): void {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

// ---- time passes ---------------------------------------------------------------------------------------------------------

function now(scene: Scene): { at: string; seconds: number } {
  const seconds = (Date.now() - scene.begun) / 1000;
  return { at: new Date(Date.parse(scene.fixture.info.at) + seconds * 1000).toISOString(), seconds };
}

/** The longer a connection's number, the busier it is; waits stand still. */
function graphNow(scene: Scene): Graph {
  const { at, seconds } = now(scene);
  const waiting = new Set(scene.fixture.graph.waits.map(({ connection }) => connection));
  const connections = scene.fixture.graph.connections.map((connection, index) => {
    const more = waiting.has(connection.id) ? 0 : Math.round(seconds * 10 ** (1 + (index % 5)));
    const after = (traffic: typeof connection.clientToServer): typeof connection.clientToServer => traffic && { messages: traffic.messages + more, bytes: traffic.bytes + more * 64 };
    const [clientToServer, serverToClient] = [after(connection.clientToServer), after(connection.serverToClient)];
    return { ...connection, ...(clientToServer && { clientToServer }), ...(serverToClient && { serverToClient }) };
  });
  return { ...scene.fixture.graph, at, connections };
}

function detailsNow(scene: Scene, name: string): ObjectDetails | undefined {
  const { at, seconds } = now(scene);
  const object = scene.tree.get(name) ?? (name === '\\' ? { name, type: 'Directory' as const } : undefined);
  if (object === undefined) return undefined;
  const known = scene.fixture.objects[name];
  if (known === undefined) {
    const { holders: _, port: __, directory: ___, ...common } = Object.values(scene.fixture.objects)[0]!; // as the first is
    return { ...common, ...object, at, path: `${scene.fixture.tree.root}${name.replaceAll('\\', '/')}`, holders: [], handles: 0 };
  }
  if (known.port === undefined) return { ...known, at };
  const { latency } = known.port;
  return { ...known, at, port: { ...known.port, at, ...(latency === undefined ? {} : { latency: later(latency, seconds) }) } };
}

function later(histogram: LatencyHistogram, seconds: number): LatencyHistogram {
  const buckets = histogram.buckets.map(({ upToMicroseconds, count }, index) => ({ upToMicroseconds, count: count + Math.round(Math.max(0, seconds * (40 * Math.exp(-((index - 3) ** 2) / 3)) + 30 * Math.sin(seconds / 3 + index))) }));
  return { ...histogram, buckets, count: buckets.reduce((sum, { count }) => sum + count, 0) * histogram.sampledOneIn };
}

function comeAndGo(tell: (events: ObjectEvent[]) => void): NodeJS.Timeout {
  const scene = { isThere: false };
  return setInterval(() => {
    scene.isThere = !scene.isThere;
    tell([{ event: scene.isThere ? 'created' : 'removed', name: '\\RPC Control\\visitor', type: 'ALPC Port' }]);
  }, 3000);
}

function add(tree: Map<string, TreeObject>, object: TreeObject): void {
  tree.set(object.name, object);
}

async function close(server: Server, timers: readonly NodeJS.Timeout[]): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  server.closeAllConnections();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = (name: string): number => Number(process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1] ?? 0);
  const server = await serveFixture({ port: given('port'), objects: given('objects'), lively: true });
  console.log(server.link);
}
