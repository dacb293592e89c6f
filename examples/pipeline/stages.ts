/** The stages of the pipeline: each takes a stream of items and gives one. */
import { defineInterface, stream, type } from '../../src/rpc/index.js';

export interface Line {
  readonly number: number;
  readonly text: string;
}

export const Parse = defineInterface({ name: 'parse', version: '1.0' }, { run: stream({ items: type<Line>(), output: type<Map<string, number>>() }) });
export const Sum = defineInterface({ name: 'sum', version: '1.0' }, { run: stream({ items: type<Map<string, number>>(), output: type<[word: string, count: number]>() }) });
