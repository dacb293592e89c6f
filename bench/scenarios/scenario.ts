/**
 * A scenario: a question that is put to each peer, in a fresh process each time, and how its answers are shown. What it measures
 * it returns as figures; which of them stand in the table, and what a peer's ratio is held against, is data.
 */
import type { Measured, Pace, Peer, ScenarioName } from '../peer.js';
import type { PeerName } from '../peers/index.js';

export interface Column {
  readonly heading: string;
  readonly case: string;
  readonly metric: string;
  /** Shown in brackets behind it. */
  readonly beside?: string;
  readonly digits?: number;
}

export interface Scenario {
  readonly name: ScenarioName;
  /** What is asked and in which unit. */
  readonly title: string;
  readonly columns: readonly [lead: Column, ...Column[]];
  /** The last column: the first column's figure as a multiple of this peer's. */
  readonly ratioTo?: PeerName;
  /** Each side on a core of its own; see core/placement.ts. */
  readonly pinned?: boolean;
  /** For node, in the measuring process. */
  readonly nodeFlags?: readonly string[];
  /** Rounds, where fewer than asked for are enough. */
  readonly maxRounds?: number;
  /**
   * Jobs in each round, at the full pace, of what a budget compares, where one pair of processes, or one moment, says too little of the next; 1 without a word.
   * From the second on `turn` is not 0, and only what the budgets are about needs to be measured.
   */
  readonly turns?: number;
  /** Runs in the measuring process. */
  measure(peer: Peer, pace: Pace, turn: number): Promise<Measured[]>;
}
