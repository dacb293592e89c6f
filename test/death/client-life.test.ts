/** A client's life, cut short at every point: its own, and that of its server (every-point.ts). */
import { test } from 'node:test';
import { withLedger } from '../support/ledger.js';
import { dieAtEveryPoint } from './every-point.js';

withLedger();

test("whoever dies at any point of a client's life: every call of the other settles within 100 ms, nothing is left behind, the name can be taken at once", (t) => dieAtEveryPoint(t, 'client'));
