/** One stage, in a process of its own: `stage.js parse` or `stage.js sum`. It is found by its interface. */
import { serve } from '../../src/rpc/index.js';
import { Parse, Sum } from './stages.js';

if (process.argv[2] === 'parse') {
  await serve(Parse, {
    async *run(_, __, lines) {
      for await (const { text } of lines) {
        const counts = new Map<string, number>();
        for (const word of text.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
        yield counts;
      }
    },
  });
} else {
  await serve(Sum, {
    async *run(_, __, maps) {
      const sums = new Map<string, number>();
      for await (const counts of maps) for (const [word, count] of counts) sums.set(word, (sums.get(word) ?? 0) + count);
      yield* [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
    },
  });
}
process.send!('ready');
process.on('disconnect', () => process.exit());
