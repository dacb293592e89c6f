/** The build without figures that `npm run bench:counters` measures against: its calls work, and it keeps none; the build beside it does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { copyBuild } from '../../scripts/counters-build.js';
import type { PortDetails } from '../../src/explorer/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

/** A server and its client in one process, and what the explorer sees when they have called. */
const PROGRAM = `
  const [alpc, explorer] = await Promise.all(process.argv.slice(1).map((module) => import(module)));
  const port = await alpc.createPort('\\\\counted');
  port.on('message', (message) => message.reply(message.data));
  const client = await alpc.connectPort('\\\\counted');
  for (let i = 0; i < 50; i++) if (String((await client.request('a question')).data) !== 'a question') throw new Error('a wrong answer');
  console.log(JSON.stringify(explorer.inspectObject('\\\\counted').port));
  client.close();
  await port.close();
`;

for (const figures of ['with', 'without'] as const) {
  test(`calls of the build ${figures} figures are answered, and ${figures === 'with' ? 'counted' : 'leave no count'}`, (t) => {
    temporaryRoot(t);
    const copy = copyBuild(figures);
    atEnd(t, () => rmSync(copy, { recursive: true }));
    const modules = ['src/index.js', 'src/explorer/index.js'].map((path) => pathToFileURL(join(copy, path)).href);
    const port = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', PROGRAM, ...modules], { encoding: 'utf8' })) as PortDetails;
    const count = figures === 'with' ? 50 : 0;
    const { clientToServer, serverToClient } = port.totals;
    assert.deepEqual([clientToServer, serverToClient], [{ messages: count, bytes: 10 * count }, { messages: count, bytes: 10 * count }]);
    assert.equal(port.latency !== undefined, figures === 'with');
  });
}
