/** The types of RPC, held by compiling this file; see public-api.ts. */
import { bind, call, type CallContext, type Client, type ContextHandle, defineInterface, type Handlers, oneWay, type Schema, serve, stream, type } from '../../src/rpc/index.js';

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Holds<T extends true> = T;

interface Job {
  readonly name: string;
}
declare const Parsed: Schema<string, Date>;

export const Printing = defineInterface(
  { name: 'printing', version: '1.0' },
  {
    print: call<Job, { pages: number }>(),
    parse: call({ input: Parsed, output: Parsed }),
    nothing: call(),
    maybe: call<number | undefined, ContextHandle>(),
    log: oneWay<string>(),
    watch: stream<{ from: number }, Job>(),
    tick: stream<void, number>(),
    feed: stream({ input: type<string>(), items: type<Job>(), output: type<number>() }),
  },
);

type Printer = Client<(typeof Printing)['methods']>;
type PrintHandlers = Handlers<(typeof Printing)['methods']>;

export type Types = [
  Holds<Equal<ReturnType<Printer['print']>, Promise<{ pages: number }>>>,
  Holds<Equal<ReturnType<Printer['print']['sync']>, { pages: number }>>,
  Holds<Equal<Parameters<Printer['parse']>[0], string>>,
  Holds<Equal<ReturnType<Printer['parse']['sync']>, Date>>,
  Holds<Equal<ReturnType<Printer['log']>, Promise<void>>>,
  Holds<Equal<ReturnType<Printer['nothing']>, Promise<void>>>,
  Holds<Equal<ReturnType<Printer['watch']>, AsyncIterableIterator<Job, undefined>>>,
  Holds<Equal<Parameters<PrintHandlers['parse']>, [input: Date, context: CallContext]>>,
  Holds<Equal<ReturnType<PrintHandlers['parse']>, string | Promise<string>>>,
  Holds<Equal<Parameters<PrintHandlers['feed']>[2], AsyncIterableIterator<Job, undefined>>>,
  Holds<Equal<Parameters<PrintHandlers['watch']>[2], undefined>>,
];

export async function uses(printer: Printer): Promise<void> {
  await printer.print({ name: 'a' }, { timeout: 1, signal: new AbortController().signal });
  await printer.nothing();
  await printer.nothing(undefined, { timeout: 1 });
  await printer.maybe();
  for await (const tick of printer.tick()) tick.toFixed();
  for await (const count of printer.feed('x', { items: [{ name: 'a' }] })) count.toFixed();
  printer.close();
  // @ts-expect-error the input is of another type
  await printer.print('a');
  // @ts-expect-error an input is needed
  await printer.print();
  // @ts-expect-error items are needed
  printer.feed('x');
  // @ts-expect-error these are no items of this stream
  printer.feed('x', { items: [1] });
  // @ts-expect-error a blocking call can't be ended by a signal
  printer.print.sync({ name: 'a' }, { signal: new AbortController().signal });
  // @ts-expect-error there is no such method
  await printer.paint();
  // @ts-expect-error a one-way call has no answer
  ((await printer.log('x')) satisfies string);
  // @ts-expect-error a handler is missing
  await serve(Printing, { print: () => ({ pages: 1 }) });
  // @ts-expect-error a version is needed
  defineInterface({ name: 'x' }, {});
  // @ts-expect-error that is no method
  defineInterface({ name: 'x', version: '1.0' }, { a: 1 });
  await bind(Printing, 'ncalrpc:[printing]', { reconnect: true });
}
