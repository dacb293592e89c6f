/**
 * Who is let in, checked before anything else is done with a request: see docs/explorer-api.md. Against other users of this machine: the
 * kernel says whose socket it is. Against pages of the web, which can make a browser of this user ask for anything: Host (a
 * name of theirs that leads to this address), Origin and Sec-Fetch-Site. Against everything else: the token.
 */
import { readFileSync } from 'node:fs';
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { libc } from '../../platform/system.js';
import type { ExplorerError } from '../model.js';

/** Thrown in a route, and told to whoever asked. */
export class Refusal extends Error {
  constructor(readonly status: ContentfulStatusCode, readonly code: string, message: string) {
    super(message);
  }
}

export function errorBody(code: string, message: string): ExplorerError {
  return { error: { code, message } };
}

/** `port`: where this server listens. */
export function checkRequest(port: () => number): MiddlewareHandler {
  return async (c, next) => {
    const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port()}`);
    const [host, origin, site] = ['host', 'origin', 'sec-fetch-site'].map((name) => c.req.header(name));
    if (host === undefined || !hosts.includes(host.toLowerCase())) throw new Refusal(403, 'host', 'this server is not asked for by that name');
    if (origin !== undefined && !hosts.some((each) => origin === `http://${each}`)) throw new Refusal(403, 'origin', 'a page of another origin may not ask');
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && c.req.path.startsWith('/api/')) throw new Refusal(403, 'origin', 'a page of another site may not ask');
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') throw new Refusal(405, 'method', 'there is nothing here but to read');
    await next();
  };
}

export function checkToken(token: string): MiddlewareHandler {
  const expected = Buffer.from(`Bearer ${token}`);
  return async (c, next) => {
    const given = Buffer.from(c.req.header('authorization') ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Refusal(401, 'token', 'the token is missing or wrong; open the link that was printed');
    await next();
  };
}

/**
 * Whether a connection may come from this user, or root. Of an address on this machine the kernel tells whose socket it is; where it does not
 * (the other end is in another network namespace, a forwarded port say), the token must do.
 */
export function isOurs(socket: Socket): boolean {
  const uid = userOf(socket);
  return uid === undefined || uid === 0 || uid === libc().geteuid();
}

function userOf({ remoteAddress, remotePort, localPort }: Socket): number | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  const [their, our] = [remotePort, localPort!].map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
  for (const line of linesOf('/proc/net/tcp')) {
    const [, local, remote, , , , , uid] = line.trim().split(/\s+/);
    if (local === `0100007F:${their}` && remote === `0100007F:${our}`) return Number(uid);
  }
  return undefined;
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n');
  } catch {
    return [];
  }
}
