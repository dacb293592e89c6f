/** An interface that is served by a thread pool. */
import { call, type ContextHandle, defineInterface, oneWay, stream, type } from '../../src/rpc/index.js';

export const Pooled = defineInterface(
  { name: 'pooled', version: '1.0' },
  {
    items: stream<void, number>(),
    note: oneWay<unknown>(),
    give: call<ContextHandle>(),
    back: call(),
    left: call<void, number>(),
    where: call<void, number>(),
    echo: call<unknown, unknown>(),
    fail: call({ errors: { broken: type<number>() } }),
    handle: call<void, ContextHandle>(),
    uid: call<void, number>(),
  },
);
export const Back = defineInterface({ name: 'back', version: '1.0' }, { ask: call<void, number>() });
export const Guarded = defineInterface({ name: 'guarded', version: '1.0' }, { tell: call<void, string>() });
