/** An interface whose schemas change what they check, at once or later: for schemas.test.ts and its actor. */
import { z } from 'zod';
import { call, defineInterface, Fault, type Handlers, stream } from '../../src/rpc/index.js';

const When = z.string().transform((text) => new Date(text));
const Later = z.string().refine(async (text) => Promise.resolve(text !== 'bad'));
const errors = { since: When, later: Later };

export const Times = defineInterface(
  { name: 'times', version: '1.0' },
  { year: call({ input: z.string(), output: z.number(), errors }), later: call({ input: Later, output: Later }), days: stream({ input: z.string(), output: When, errors }) },
);

function fail(text: string): void {
  if (text === 'since') throw new Fault('since', '1999-01-01');
  if (text === 'later') throw new Fault('later', 'soon');
  if (text === 'bad') throw new Fault('later', 'bad');
}

export const handlers: Handlers<(typeof Times)['methods']> = {
  year(text) {
    fail(text);
    return new Date(text).getUTCFullYear();
  },
  later: (text) => `${text}!`,
  *days(text) {
    yield '2001-02-03';
    fail(text);
  },
};
