/** An interface that is served by a thread pool. */
import { call, type ContextHandle, defineInterface, stream, type } from '../../src/rpc/index.js';

export const Pooled = defineInterface(
  { name: 'pooled', version: '1.0' },
  { where: call<void, number>(), echo: call<unknown, unknown>(), fail: call({ errors: { broken: type<number>() } }), handle: call<void, ContextHandle>(), uid: call<void, number>() },
);
export const WithStream = defineInterface({ name: 'pooled', version: '1.0' }, { where: call<void, number>(), items: stream<void, number>() });
