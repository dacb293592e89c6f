/** All scenarios, in the order in which they are run and shown. */
import { SCENARIO_NAMES, type ScenarioName } from '../peer.js';
import { asleep } from './asleep.js';
import { connect } from './connect.js';
import { download } from './download.js';
import { garbage } from './garbage.js';
import { hash } from './hash.js';
import { idle } from './idle.js';
import { inFlight } from './in-flight.js';
import { large } from './large.js';
import { oneWay } from './one-way.js';
import { roundTrip, unpinned } from './round-trip.js';
import { packets } from './packets.js';
import type { Scenario } from './scenario.js';
import { taking } from './taking.js';

const BY_NAME: Record<ScenarioName, Scenario> = {
  'round trip': roundTrip,
  unpinned,
  asleep,
  'one way': oneWay,
  taking,
  'in flight': inFlight,
  connect,
  garbage,
  idle,
  hash,
  large,
  download,
  packets,
};

export const SCENARIOS: readonly Scenario[] = SCENARIO_NAMES.map((name) => BY_NAME[name]);

export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((scenario) => scenario.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario '${name}'`);
  return scenario;
}
