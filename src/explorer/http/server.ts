/**
 * The explorer's HTTP server: the page's files, and the small interface that it uses. On the loopback address only; it reads, and
 * changes nothing. docs/explorer-api.md says what each route answers, gate.ts who is let in.
 */
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { checkInteger, checkOptions, checkSignal, checkString } from '../../base/arguments.js';
import { AlpcError } from '../../base/errors.js';
import { parseObjectName, type RootOptions } from '../../objects/index.js';
import { findRoot, openRootToLook } from '../../objects/root.js';
import { libc } from '../../platform/system.js';
import { Accounts } from '../describe.js';
import { inspectTree, withPort } from '../inspect.js';
import type { ExplorerInfo } from '../model.js';
import { describeObject } from '../objects.js';
import { graphOf } from '../ports.js';
import { waitGraphOf } from '../waits.js';
import { checkRequest, checkToken, errorBody, isOurs, Refusal } from './gate.js';
import { listen, portOf } from './listen.js';
import { Snapshots, tellLive } from './live.js';
import { CONTENT_SECURITY_POLICY, readPage } from './page.js';
import { version } from '../version.js';

export interface ExplorerOptions extends RootOptions {
  /** Where to listen, 0: where the kernel chooses. Left out: on `EXPLORER_PORT`, or where the kernel chooses while somebody else listens there. */
  port?: number;
  /** Milliseconds between two pictures, 50 to 60,000; 1,000 by default. */
  interval?: number;
  /** Where the page's files are; left out, those that came with the package. */
  page?: string;
  /** Closes it. */
  signal?: AbortSignal;
}

export interface ExplorerServer extends AsyncDisposable {
  /** The link to open: it holds the token. */
  readonly link: string;
  readonly port: number;
  readonly token: string;
  /** Ends all streams, and listens no longer. */
  close(): Promise<void>;
}

/**
 * Serves the explorer's page to this user, on 127.0.0.1. A root of this user's own that nobody has made yet is shown as empty until somebody does.
 * @throws AlpcError ERR_ALPC_INVALID_ARGUMENT, ERR_ALPC_NAME_NOT_FOUND when there is no root where `root` or `$ALPC_ROOT` says; the error of `node:net` when it can't listen there
 */
export async function serveExplorer(options?: ExplorerOptions): Promise<ExplorerServer> {
  const given = checkOptions(options, 'options', ['root', 'port', 'interval', 'page', 'signal']);
  const { port, interval = 1000, page } = given;
  const signal = checkSignal(given.signal);
  signal?.throwIfAborted();
  if (port !== undefined) checkInteger(port, 'options.port', 0, 65_535);
  checkInteger(interval, 'options.interval', 50, 60_000);
  const where: RootOptions = given.root === undefined ? {} : { root: checkString(given.root, 'options.root') };
  openRootToLook(where)?.[Symbol.dispose]();
  const token = randomBytes(32).toString('base64url');
  const ending = new AbortController();
  const app = makeApp({ where, interval, token, page, port: () => portOf(server), signal: ending.signal });
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.on('connection', (socket) => {
    if (!isOurs(socket)) socket.destroy();
  });
  await listen(server, port);
  const close = async (): Promise<void> => {
    ending.abort();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  signal?.addEventListener('abort', () => void close(), { once: true });
  return { link: `http://127.0.0.1:${portOf(server)}/#token=${token}`, port: portOf(server), token, close, [Symbol.asyncDispose]: close };
}

interface AppParts {
  readonly where: RootOptions;
  readonly interval: number;
  readonly token: string;
  readonly page: string | undefined;
  readonly port: () => number;
  readonly signal: AbortSignal;
}

function makeApp({ where, interval, token, page, port, signal }: AppParts): Hono {
  const app = new Hono();
  const files = readPage(page);
  const snapshots = new Snapshots(where, interval);
  const info = (): ExplorerInfo => ({
    at: new Date().toISOString(), version: version(), root: findRoot(where).path, host: hostname(),
    user: new Accounts().user(libc().geteuid()), pid: process.pid, intervalMilliseconds: interval,
  });

  app.onError((error, c) => {
    if (error instanceof Refusal) return c.json(errorBody(error.code, error.message), error.status);
    if (!AlpcError.is(error)) throw error;
    const status = error.code === 'ERR_ALPC_NAME_NOT_FOUND' ? 404 : error.code === 'ERR_ALPC_ACCESS_DENIED' ? 403 : 400;
    return c.json(errorBody(error.code, error.message), status);
  });
  app.notFound((c) => c.json(errorBody('not-found', 'there is no such route'), 404));
  app.use(async (c, next) => {
    await next();
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Referrer-Policy', 'no-referrer');
    c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    c.header('Cross-Origin-Resource-Policy', 'same-origin');
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  });
  app.use(checkRequest(port));
  app.use('/api/*', checkToken(token));

  app.get('/api/info', (c) => c.json(info()));
  app.get('/api/tree', (c) => c.json(inspectTree(where)));
  app.get('/api/graph', (c) => c.json(graphOf(snapshots.recent)));
  app.get('/api/waits', (c) => c.json(waitGraphOf(snapshots.recent)));
  app.get('/api/object', (c) => {
    const details = describeObject(c.req.query('name') ?? '', where);
    return c.json(details.type === 'ALPC Port' ? withPort(details, snapshots.recent) : details);
  });
  app.get('/api/events', (c) => {
    const name = c.req.query('port');
    const live = { where, snapshots, info: info(), port: name === undefined ? undefined : parseObjectName(name).text, graph: c.req.query('graph') === '1', objects: c.req.query('objects') !== '0' };
    return streamSSE(c, (stream) => tellLive(stream, live, signal));
  });
  app.get('*', (c) => {
    const file = c.req.path.startsWith('/api/') ? undefined : files.get(c.req.path);
    if (file === undefined) return c.notFound();
    return c.body(file.body, 200, { 'Content-Type': file.type, 'Cache-Control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache' });
  });
  return app;
}
