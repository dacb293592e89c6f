/**
 * System calls that fail: each call of creating, connecting, calling and closing is made to fail once with each errno that it
 * may have, on the client's side and on the server's, in the main thread and in a worker. Whatever fails, the operation ends
 * as ever or with a typed error, nothing half made is left, and the next one succeeds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { withLedger } from '../support/ledger.js';
import { type Scenario, SCENARIOS, tryAll } from './injected-scenarios.js';
import { NAME, ownRoot, startServer } from './serving.js';

withLedger({ except: ['mappings'] });

for (const scenario of Object.keys(SCENARIOS) as Scenario[]) {
  for (const thread of ['main thread', 'worker'] as const) {
    test(`${thread}: ${scenario} with any one system call failing ends as ever or with a typed error, and leaves nothing`, async (t) => {
      ownRoot(t);
      await startServer(t, { name: `${NAME} elsewhere` });
      const outcomes = thread === 'worker' ? await inWorker(scenario) : await tryAll(scenario);
      assert.ok(outcomes['ERR_ALPC_INSUFFICIENT_RESOURCES']! > 10, JSON.stringify(outcomes));
      t.diagnostic(JSON.stringify(outcomes));
    });
  }
}

function inWorker(scenario: Scenario): Promise<Record<string, number>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./injected-worker.js', import.meta.url), { workerData: scenario });
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('the worker ended')));
  });
}
