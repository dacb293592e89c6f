/** The report: a table for each scenario, one for the budgets, and the same as JSON for programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Verdict } from './budgets.js';
import type { Environment } from './core/environment.js';
import type { Figure, FigureName, Figures } from './core/figures.js';
import { number, ratio, table } from './core/table.js';
import { BASELINE_PEERS, PEERS, type PeerName } from './peers/index.js';
import type { Column, Scenario } from './scenarios/scenario.js';

const ALL_PEERS: readonly PeerName[] = [...BASELINE_PEERS, ...PEERS.map((peer) => peer.name)];

export function environmentText(environment: Environment): string {
  const { node, kernel, cpu, cores, memoryGiB, packages } = environment;
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return [`Node ${node}, Linux ${kernel}`, `${cpu}, ${cores} cores, ${memoryGiB} GiB`, versions.join(', ')].join('\n');
}

export function scenarioText(scenario: Scenario, figures: Figures): string {
  const nameOf = (peer: PeerName, column: Column): FigureName => ({ scenario: scenario.name, peer, case: column.case, metric: column.metric });
  const cell = (peer: PeerName, column: Column): string => {
    const figure = figures.get(nameOf(peer, column));
    if (figure === undefined) return '-';
    const beside = column.beside === undefined ? undefined : figures.get({ ...nameOf(peer, column), metric: column.beside });
    return number(figure.median, column.digits) + (beside === undefined ? '' : ` (${number(beside.median, column.digits)})`);
  };
  const lead = scenario.columns[0];
  const measured = ALL_PEERS.filter((peer) => scenario.columns.some((column) => figures.get(nameOf(peer, column)) !== undefined));
  if (measured.length === 0) return '';
  const rows = measured.map((peer) => {
    const figure = figures.get(nameOf(peer, lead));
    const against = scenario.ratioTo === undefined ? undefined : figures.get(nameOf(scenario.ratioTo, lead));
    const last = scenario.maxRounds === 1 ? [] : [figure === undefined ? '-' : range(figure, lead)];
    if (scenario.ratioTo !== undefined) last.push(ratio(figure !== undefined && against !== undefined ? figure.median / against.median : NaN));
    return [peer, ...scenario.columns.map((column) => cell(peer, column)), ...last];
  });
  const header = ['', ...scenario.columns.map((column) => column.heading)];
  if (scenario.maxRounds !== 1) header.push('all rounds');
  if (scenario.ratioTo !== undefined) header.push(`to ${scenario.ratioTo}`);
  return `${scenario.title}\n\n${table(header, rows)}`;
}

/** Empty where the machine was quiet. */
export function loadText(load: number): string {
  return load > 0.2 ? `NOTICE: other programs use ${Math.round(load * 100)}% of the CPU; the figures below suffer` : '';
}

/** Of the first column: from the least to the most of the rounds. Where the ends are far apart, the machine has two minds about it. */
function range({ rounds }: Figure, { digits }: Column): string {
  return `${number(Math.min(...rounds), digits)} .. ${number(Math.max(...rounds), digits)}`;
}

export function budgetText(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ budget, asked, measured, holds }) => [budget.what, asked, measured, holds]);
  return table(['budget', 'asked', 'measured', 'holds'], rows);
}

export interface Results {
  readonly environment: Environment;
  readonly pace: string;
  readonly rounds: number;
  readonly figures: Figures;
  /** The part of the CPU that others used as each scenario began. */
  readonly foreignLoad: Record<string, number>;
  readonly verdicts: readonly Verdict[];
  readonly failures: readonly string[];
}

export function writeJson(file: string, { figures, ...rest }: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...rest, figures: figures.all() }, null, 2)}\n`);
}
