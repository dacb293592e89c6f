/**
 * `npm run fuzz`: ten million cases of what a peer may send, against what docs/protocol.md says about it. Ends by itself, and tells
 * its seed and its figures.
 *
 *     npm run fuzz                                  ten million cases, of a new seed
 *     npm run fuzz -- --seed=7 --cases=1000000      fewer, of a known one
 *     npm run fuzz -- --target=ring                 one target only: handshake, ring, server, client, attributes
 *     npm run fuzz -- --target=ring --seed=7 --case=4711   one case again
 *     npm run fuzz -- --keep                        and keep a case of each new kind in test/hostile/corpus
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { campaign, corpusFile, readCorpus, type TargetName, TARGETS } from './campaign.js';

/** Of a hundred cases; those of ports and of attributes take a hundred times as long as the others. */
const SHARES: Record<TargetName, number> = { handshake: 47, ring: 47, server: 1, client: 1, attributes: 4 };

const { values } = parseArgs({ options: { seed: { type: 'string' }, cases: { type: 'string' }, case: { type: 'string' }, target: { type: 'string' }, keep: { type: 'boolean' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const names = values.target === undefined ? (Object.keys(TARGETS) as TargetName[]) : [values.target as TargetName];
const cases = values.cases === undefined ? 10_000_000 : Number(values.cases);
const shares = names.reduce((sum, name) => sum + SHARES[name], 0);

console.log(`seed ${seed}`);
let total = 0;
for (const name of names) {
  const from = values.case === undefined ? 0 : Number(values.case);
  const to = values.case === undefined ? Math.round((cases * SHARES[name]) / shares) : from + 1;
  const findings = await campaign(name, seed, from, to);
  total += findings.cases;
  console.log(`\n${name}: ${findings.cases} cases in ${(findings.milliseconds / 1000).toFixed(1)} s (${Math.round((findings.cases / findings.milliseconds) * 1000)} a second), ${findings.outcomes.size} kinds of outcome`);
  for (const [outcome, { count }] of [...findings.outcomes].toSorted((a, b) => b[1].count - a[1].count)) console.log(`  ${String(count).padStart(9)}  ${outcome}`);
  const known = new Set(readCorpus(name).map(({ outcome }) => outcome));
  const fresh = [...findings.outcomes].filter(([outcome]) => !known.has(outcome));
  if (fresh.length > 0) console.log(`  ${fresh.length} kinds are not in the corpus${values.keep === true ? ', and are now' : ' (--keep keeps one of each)'}`);
  if (values.keep === true) appendFileSync(corpusFile(name), fresh.map(([outcome, { shortest }]) => `${outcome}\t${shortest}\n`).join(''));
}
console.log(`\n${total} cases, none of which came to anything but what the page says; seed ${seed}`);
