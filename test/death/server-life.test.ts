/** A server's life, cut short at every point: its own, and that of its client (every-point.ts). */
import { test } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { dieAtEveryPoint } from './every-point.js';

withLedger();

test("whoever dies at any point of a server's life: every call of the other settles within 100 ms, nothing is left behind, the name can be taken at once", (t) => dieAtEveryPoint(t, 'server'));
