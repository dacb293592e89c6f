/**
 * A pipeline: lines are made here, parsed in one process, summed up in another, and printed here. A slow stage slows those before it, and none
 * holds more than a window of items; leaving the loop early would end all of them.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bind } from '../../src/rpc/index.js';
import { type Line, Parse, Sum } from './stages.js';

const LINES = 20_000;

function* lines(): Generator<Line> {
  for (let number = 0; number < LINES; number++) yield { number, text: `every line has words and number ${number % 3}` };
}

const children = ['parse', 'sum'].map((stage) => fork(fileURLToPath(new URL('./stage.js', import.meta.url)), [stage]));
await Promise.all(children.map((child) => once(child, 'message')));

{
  using parse = await bind(Parse, 'ncalrpc:');
  using sum = await bind(Sum, 'ncalrpc:');
  const parsed = parse.run(undefined, { items: lines() });
  for await (const [word, count] of sum.run(undefined, { items: parsed })) console.log(`${word}: ${count}`);
}
for (const child of children) child.disconnect();
