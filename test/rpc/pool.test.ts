/** RPC served by the threads of a pool. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { threadId } from 'node:worker_threads';
import { CompletionPort, createPort, ThreadPool } from '../../src/index.js';
import { bind, ContextHandle, Fault } from '../../src/rpc/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';
import { failsWith } from './expect.js';
import { Guarded, Pooled } from './pooled.js';

withLedger({ except: ['resources'] });

test('calls are handled by threads of a pool, with the identity of the caller; what needs the connection is refused', async (t) => {
  temporaryRoot(t);
  const completions = new CompletionPort({ concurrency: 2 });
  const port = await createPort('\\RPC Control\\pooled');
  port.associate(completions, 1);
  const pool = new ThreadPool({ worker: new URL('./pool-handler.js', import.meta.url), completions, minThreads: 1, maxThreads: 2 });
  atEnd(t, async () => {
    await pool.close();
    await port.close();
    completions.close();
    completions.leave();
  });
  const client = await bind(Pooled, 'pooled');
  atEnd(t, () => client.close());
  assert.notEqual(await client.where(), threadId);
  assert.equal(await client.uid(), process.getuid!());
  const value = { map: new Map([[1, new Uint8Array(1000)]]) };
  assert.deepEqual(await client.echo(value), value);
  assert.deepEqual(await Promise.all(Array.from({ length: 100 }, (_, i) => client.echo(i))), Array.from({ length: 100 }, (_, i) => i));
  await assert.rejects(client.fail(), (error) => Fault.is(error, 'broken') && error.data === 7);
  const left = await client.left(undefined, { timeout: 10_000 });
  assert.ok(left > 0 && left <= 10_000, String(left));
  const notHere = (error: Error): boolean => failsWith('ERR_ALPC_INVALID_ARGUMENT')(error) && /not for this handler, in a thread pool/.test(error.message);
  await assert.rejects(client.handle(), notHere);
  await assert.rejects(client.give(new ContextHandle('00'.repeat(20))), notHere);
  await assert.rejects(client.back(), notHere);
  await assert.rejects(client.echo(new Uint8Array(100_000)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  await assert.rejects(client.note(new Uint8Array(100_000)), failsWith('ERR_ALPC_MESSAGE_TOO_LONG'));
  await client.note('short');
  assert.equal(client.binding.has('items'), false);
  assert.throws(() => client.items(), failsWith('ERR_ALPC_UNKNOWN_METHOD'));
  await assert.rejects(bind(Guarded, 'pooled'), (error: Error) => failsWith('ERR_ALPC_ACCESS_DENIED')(error) && !/of the callback/.test(inspect(error)));
});
