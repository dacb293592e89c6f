/**
 * String bindings: `ncalrpc:[spooler]` is the port `\RPC Control\spooler`, `ncalrpc:[\Mine\spooler]` the port of that name, and `ncalrpc:`
 * whichever endpoint the endpoint mapper knows for the interface. A bare endpoint or name is taken as if it stood in the brackets.
 */
import { randomBytes } from 'node:crypto';
import { checkString, invalidArgument } from '../base/arguments.js';

export const RPC_DIRECTORY = '\\RPC Control';
export const MAPPER_ENDPOINT = 'epmapper';
const DYNAMIC = 'LRPC-';

/** The port's name; undefined when the mapper is to be asked. @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
export function parseBinding(binding: unknown, name = 'binding'): string | undefined {
  const text = checkString(binding, name);
  const match = /^ncalrpc:(?:\[([^[\]]*)\])?$/.exec(text);
  if (match === null && (text.includes('[') || text.includes(':') || text === '')) throw invalidArgument(name, "'ncalrpc:[endpoint]', 'ncalrpc:' or an endpoint's name", binding);
  const endpoint = match === null ? text : (match[1] ?? '');
  return endpoint === '' ? undefined : nameOfEndpoint(endpoint);
}

export function nameOfEndpoint(endpoint: string): string {
  return /^[\\/]/.test(endpoint) ? endpoint : `${RPC_DIRECTORY}\\${endpoint}`;
}

/** The name of a dynamic endpoint: `LRPC-` and 18 hexadecimal digits. */
export function dynamicEndpoint(): string {
  return `${DYNAMIC}${randomBytes(9).toString('hex')}`;
}

export function isDynamic(endpoint: string): boolean {
  return /^LRPC-[0-9a-f]{18}$/.test(endpoint);
}
