/** One interface as it was and as it became: each process of versions.test.ts knows one of these. */
import { call, defineInterface, type Handlers, oneWay, stream, type } from '../../src/rpc/index.js';
import * as z from 'zod';

/** The first. */
export const V1_0 = defineInterface(
  { name: 'catalogue', version: '1.0', uuid: 'c0ffee00-0000-4000-8000-000000000001' },
  { find: call<{ title: string }, { title: string; pages: number } | undefined>(), titles: stream<void, string>(), seen: oneWay<string>(), remove: call<string, boolean>() },
);

/** Methods in another order, one more, an input with one more field that may be left out, an output with more in it; `remove` is a stream now. */
export const V1_1 = defineInterface(
  { name: 'catalogue', version: '1.1', uuid: 'c0ffee00-0000-4000-8000-000000000001' },
  {
    count: call<void, number>(),
    remove: stream<string, string>(),
    seen: oneWay<string>(),
    titles: stream<void, string>(),
    find: call({ input: z.object({ title: z.string(), exact: z.boolean().optional() }), output: type<{ title: string; pages: number; author: string } | undefined>() }),
  },
);

/** What breaks clients. */
export const V2_0 = defineInterface({ name: 'catalogue', version: '2.0', uuid: 'c0ffee00-0000-4000-8000-000000000001' }, { find: call<string, number>() });

export const VERSIONS = { '1.0': V1_0, '1.1': V1_1, '2.0': V2_0 } as const;
export type Version = keyof typeof VERSIONS;

const BOOKS = ['one', 'two', 'three'];

export const old: Handlers<(typeof V1_0)['methods']> = {
  find: ({ title }) => (BOOKS.includes(title) ? { title, pages: 100 } : undefined),
  titles: () => BOOKS,
  seen: () => {},
  remove: (title) => BOOKS.includes(title),
};

export const current: Handlers<(typeof V1_1)['methods']> = {
  count: () => BOOKS.length,
  remove: (title) => [title],
  seen: () => {},
  titles: () => BOOKS,
  find: ({ title, exact = true }) => (exact && !BOOKS.includes(title) ? undefined : { title, pages: 100, author: 'anonymous' }),
};

export const next: Handlers<(typeof V2_0)['methods']> = { find: (title) => BOOKS.indexOf(title) };
