/**
 * The process that measures: `job-main.js <scenario> <peer> <pace>`, one for each peer in each round, so that no peer runs in
 * code or memory that another has shaped. Writes its figures to standard output as one line of JSON.
 */
import { PACES } from '../peer.js';
import { peerNamed } from '../peers/index.js';
import { scenarioNamed } from '../scenarios/index.js';

const [scenario, peer, pace] = process.argv.slice(2) as [string, string, keyof typeof PACES];
process.env['ALPC_BENCH_PEER'] = peer;

const figures = await scenarioNamed(scenario).measure(await peerNamed(peer).load(), PACES[pace]);
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit());
