/**
 * `npm run soak`: 10^8 messages with random pauses between two processes, with figures on the way (see test/soak/soak.ts).
 *
 *     npm run soak -- --messages=1000000 --seed=7
 */
import { type Round, soak } from '../test/soak/soak.js';

const option = (name: string, otherwise: number): number => Number(process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const messages = option('messages', 100_000_000);
const seed = option('seed', Date.now() | 0);
const mib = (bytes: readonly number[]): string => bytes.map((value) => (value / 2 ** 20).toFixed(1)).join(' and ');

console.log(`${messages} messages, seed ${seed}; figures are the server's and the client's`);
const rounds = await soak({ messages, seed, patience: 20_000, onRound: show });
const [first, last] = [rounds[Math.min(3, rounds.length - 1)]!, rounds.at(-1)!];
const grown = (of: 'heap' | 'resident'): string => mib(last[of].map((bytes, index) => bytes - first[of][index]!));
console.log(`${last.messages} messages in ${last.seconds.toFixed(0)} s: none lost, none doubled, all in order; after the warm-up the heaps grew by ${grown('heap')} MiB, resident memory by ${grown('resident')} MiB`);

function show({ messages, seconds, heap, resident, descriptors, mappings }: Round): void {
  console.log(`${String(messages).padStart(9)} messages, ${seconds.toFixed(0).padStart(4)} s: heap ${mib(heap)} MiB, resident ${mib(resident)} MiB, ${descriptors.join(' and ')} descriptors, ${mappings.join(' and ')} mappings`);
}
