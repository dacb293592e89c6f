/**
 * The child's half of processes.ts, for a test module that is started as a process of its own:
 *
 *     // counter-actor.ts
 *     export type Order = { type: 'count'; to: number };
 *     export type News = { type: 'ready' } | { type: 'counted'; last: number };
 *     obey<Order>({ count: ({ to }) => tell<News>({ type: 'counted', last: to }) });
 *     tell<News>({ type: 'ready' });
 *
 * An exception, here or in a handler, ends the process, and the parent's wait fails with what it wrote to stderr. When the
 * parent is gone the process ends by itself.
 */

/** What travels between a test and its actors. Anything that survives structured cloning may stand beside `type`. */
export interface ActorMessage {
  readonly type: string;
}

export type Handlers<Order extends ActorMessage> = { [K in Order['type']]: (order: Extract<Order, { type: K }>) => unknown };

/** Handles orders one after the other, in the order of their coming. */
export function obey<Order extends ActorMessage>(handlers: Handlers<Order>): void {
  const queue: Order[] = [];
  const state = { busy: false };
  const work = async (): Promise<void> => {
    if (state.busy) return;
    state.busy = true;
    for (let order = queue.shift(); order !== undefined; order = queue.shift()) {
      const handle = handlers[order.type as Order['type']] as ((order: Order) => unknown) | undefined;
      if (handle === undefined) throw new Error(`this actor knows no order '${order.type}'`);
      await handle(order);
    }
    state.busy = false;
  };
  process.on('message', (order: Order) => {
    queue.push(order);
    void work(); // a rejection is unhandled on purpose: it ends the process
  });
  process.on('disconnect', () => process.exit());
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names it to have its argument checked
export function tell<News extends ActorMessage>(news: News): void {
  process.send!(news);
}

/** The arguments that `startActor` was given. */
export function actorArguments(): string[] {
  return process.argv.slice(2);
}
