/** The types of RPC, held by compiling this file; see public-api.ts. */
import { bind, call, type CallContext, type Client, type ContextHandle, defineInterface, Fault, type FaultsOf, type Handlers, oneWay, type Schema, serve, stream, type ThrownFaultsOf, type } from '../../src/rpc/index.js';

/** One and the same type: `any`, which goes for each type, is equal to none but itself. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a type that depends on one that is not known is compared without a look inside
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Holds<T extends true> = T;

interface Job {
  readonly name: string;
}
declare const Parsed: Schema<string, Date>;

export const Printing = defineInterface(
  { name: 'printing', version: '1.0' },
  {
    print: call<Job, { pages: number }>(),
    parse: call({ input: Parsed, output: Parsed, errors: { since: Parsed, jam: type<{ tray: number }>() } }),
    nothing: call(),
    maybe: call<number | undefined, ContextHandle>(),
    log: oneWay<string>(),
    watch: stream<{ from: number }, Job>(),
    tick: stream<void, number>(),
    feed: stream({ input: type<string>(), items: type<Job>(), output: type<number>(), errors: { since: Parsed } }),
  },
);

type Printer = Client<(typeof Printing)['methods']>;
type PrintHandlers = Handlers<(typeof Printing)['methods']>;

export type Types = [
  // @ts-expect-error what is any does not hold
  Holds<Equal<ReturnType<typeof JSON.parse>, string>>,
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
  Holds<Equal<FaultsOf<(typeof Printing)['methods']['parse']['errors']>, Fault<'since', Date> | Fault<'jam', { tray: number }>>>,
  Holds<Equal<ThrownFaultsOf<(typeof Printing)['methods']['parse']['errors']>, Fault<'since', string> | Fault<'jam', { tray: number }>>>,
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

/** What is known of an error once it has been asked whether it is a declared one. */
export function narrows(error: unknown): void {
  const { parse, feed, print } = Printing.methods;
  if (Fault.is(error, parse, 'since')) error satisfies Fault<'since', Date>;
  if (Fault.is(error, parse, 'jam')) error.data.tray.toFixed();
  if (Fault.is(error, feed, 'since')) error.data.getTime();
  if (Fault.is(error, parse)) error.fault === 'since' ? error.data.getTime() : error.data.tray.toFixed(); // oxlint-disable-line no-unused-expressions
  if (Fault.is(error, 'jam')) {
    error.fault satisfies 'jam';
    // @ts-expect-error by its name alone nothing is known of its data
    error.data.tray.toFixed();
  }
  // @ts-expect-error the method declares no such error
  Fault.is(error, parse, 'outOfPaper');
  // @ts-expect-error the method declares none
  Fault.is(error, print, 'since');
  // @ts-expect-error a one-way call has none
  Fault.is(error, Printing.methods.log);
  new Fault('since', '1999') satisfies ThrownFaultsOf<typeof parse.errors>;
  // @ts-expect-error the data are of another type
  new Fault('jam', 'tray 2') satisfies ThrownFaultsOf<typeof parse.errors>;
}
