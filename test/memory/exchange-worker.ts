/** The other party of an exchange, as a thread of the same process. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Meeting, Part } from './exchange-actor.js';
import { drain, echo, join } from './exchange.js';

const { meeting, part } = workerData as { meeting: Meeting; part: Part };
const party = join(meeting);
const count = part === 'drain' ? drain(party) : echo(party);
const { sleeps } = party;
party.close();
parentPort!.postMessage({ sleeps, count }, []);
