/**
 * The process that measures: `job-main.js <scenario> <peer> <pace> <turn> [<core> <core>]`, one for each peer in each round, so that no peer runs in
 * code or memory that another has shaped. Writes its figures to standard output as one line of JSON.
 */
import { PACES } from '../peer.js';
import { peerNamed } from '../peers/index.js';
import { scenarioNamed } from '../scenarios/index.js';
import { placed } from './placement.js';

const [scenario, name, pace, turn, caller, server] = process.argv.slice(2) as [string, string, keyof typeof PACES, string, string?, string?];
process.env['ALPC_BENCH_PEER'] = name;

const loaded = await peerNamed(name).load();
const peer = caller === undefined ? loaded : placed(loaded, { caller: Number(caller), server: Number(server) });
const figures = await scenarioNamed(scenario).measure(peer, PACES[pace], Number(turn));
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit());
