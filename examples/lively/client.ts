/** A client of the lively scene: asks one server after the other, now more, now less, until it is ended or a server is gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPort } from '../../src/index.js';

const [kind, pause, ...names] = process.argv.slice(2) as [string, string, ...string[]];
process.on('disconnect', () => process.exit());
const ports = await Promise.all(names.map((name) => connectPort(name)));

for (let turn = 0; ; turn++) {
  for (const port of ports) {
    const question = 'x'.repeat(16 + Math.round(Math.random() * 2000));
    if (kind === 'blocking') port.requestSync(question);
    else await port.request(question);
  }
  await sleep(Number(pause) * (turn % 200 < 100 ? 1 : 4) * Math.random());
}
