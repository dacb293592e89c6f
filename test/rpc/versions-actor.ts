/** One side of versions.test.ts, which knows one version: `serve <version> [endpoint]`, or `call <version> <binding>`. */
import { AlpcError } from '../../src/index.js';
import { bind, type Client, serve } from '../../src/rpc/index.js';
import { actorArguments, tell } from '../support/actor.js';
import { current, next, old, V1_0, V1_1, V2_0, type Version } from './versions.js';

export type News = { type: 'ready' } | { type: 'saw'; lines: Record<string, unknown> };

const [role, version, where = 'dynamic'] = actorArguments() as [string, Version, string?];

/** What came of each: a value, or the code of the error. */
async function look(things: Record<string, () => Promise<unknown>>): Promise<void> {
  const lines: Record<string, unknown> = {};
  for (const [name, thing] of Object.entries(things)) {
    try {
      lines[name] = await thing();
    } catch (error) {
      lines[name] = AlpcError.is(error) ? error.code : String(error);
    }
  }
  tell<News>({ type: 'saw', lines });
}

async function all(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const connect = <M extends Parameters<typeof bind>[0]>(of: M): Promise<Client<M['methods']>> => bind(of, where) as Promise<Client<M['methods']>>;

if (role === 'serve') {
  await (version === '1.0' ? serve(V1_0, old, { endpoint: where }) : version === '1.1' ? serve(V1_1, current, { endpoint: where }) : serve(V2_0, next, { endpoint: where }));
  tell<News>({ type: 'ready' });
} else if (version === '1.0') {
  const client = connect(V1_0);
  await look({ find: async () => (await client).find({ title: 'two' }), titles: async () => all((await client).titles()), seen: async () => (await client).seen('two'), remove: async () => (await client).remove('two'), blocking: async () => (await client).find.sync({ title: 'nothing' }) });
  await client.then((open) => open.close(), () => {});
} else if (version === '1.1') {
  const client = connect(V1_1);
  await look({ find: async () => (await client).find({ title: 'four', exact: false }), count: async () => (await client).count(), has: async () => (await client).binding.has('count') });
  await client.then((open) => open.close(), () => {});
} else {
  const client = connect(V2_0);
  await look({ find: async () => (await client).find('two') });
  await client.then((open) => open.close(), () => {});
}
if (role === 'call') process.disconnect();
