/** The figures of a run: for each scenario, peer, case and metric, what each round has measured. */
import type { Measured, ScenarioName } from '../peer.js';
import type { PeerName } from '../peers/index.js';
import { median, relativeSpread } from './statistics.js';

export interface FigureName {
  readonly scenario: ScenarioName;
  readonly peer: PeerName;
  readonly case: string;
  readonly metric: string;
}

/** A figure over all rounds, as it is written to JSON. */
export interface Figure extends FigureName {
  readonly median: number;
  /** The median distance of the rounds from it, as a part of it. */
  readonly spread: number;
  readonly rounds: readonly number[];
}

export class Figures {
  readonly #rounds = new Map<string, { name: FigureName; values: number[] }>();

  add(scenario: ScenarioName, peer: PeerName, measured: readonly Measured[]): void {
    for (const { case: where, metric, value } of measured) {
      const name: FigureName = { scenario, peer, case: where, metric };
      const known = this.#rounds.get(key(name));
      if (known === undefined) this.#rounds.set(key(name), { name, values: [value] });
      else known.values.push(value);
    }
  }

  get(name: FigureName): Figure | undefined {
    const known = this.#rounds.get(key(name));
    return known === undefined ? undefined : summary(known.name, known.values);
  }

  all(): Figure[] {
    return [...this.#rounds.values()].map(({ name, values }) => summary(name, values));
  }
}

function summary(name: FigureName, rounds: readonly number[]): Figure {
  return { ...name, median: median(rounds), spread: relativeSpread(rounds), rounds };
}

function key(name: FigureName): string {
  return [name.scenario, name.peer, name.case, name.metric].join('\n');
}
