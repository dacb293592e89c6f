/**
 * A campaign: so many cases, or so much time, of every target, from one seed. It ends at the first case that fails, and tells what
 * brings it back. What cases came to is counted, and the shortest case of each kind is remembered.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AttributesTarget } from './attributes-target.js';
import { HandshakeTarget } from './handshake-target.js';
import { ClientTarget, ServerTarget } from './port-target.js';
import { Random } from './random.js';
import { RingTarget } from './ring-target.js';
import type { Target } from './target.js';

export const TARGETS = { handshake: HandshakeTarget, ring: RingTarget, server: ServerTarget, client: ClientTarget, attributes: AttributesTarget } as const;
export type TargetName = keyof typeof TARGETS;

export interface Findings {
  cases: number;
  milliseconds: number;
  /** By what they came to: how many, and the shortest as text. */
  readonly outcomes: Map<string, { count: number; shortest: string }>;
}

/** Runs cases `from` to `to` - 1, or until the time is over. */
export async function campaign(name: TargetName, seed: number, from: number, to: number, milliseconds = Infinity): Promise<Findings> {
  const target: Target = new TARGETS[name]();
  const findings: Findings = { cases: 0, milliseconds: 0, outcomes: new Map() };
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // refusals by the million
  const random = new Random(0, 0);
  const start = performance.now();
  try {
    for (let number = from; number < to; number++) {
      if ((number & 255) === 0 && performance.now() - start >= milliseconds) break;
      random.begin(seed, number);
      const made = target.make(random);
      try {
        const running = target.run(made);
        note(findings, target, made, typeof running === 'string' ? running : await running);
      } catch (error) {
        throw new Error(`${name}, case ${number} of seed ${seed}: ${String(error)}\n  ${target.encode(made)}`, { cause: error });
      }
      findings.cases++;
    }
    findings.milliseconds = performance.now() - start;
    return findings;
  } finally {
    Error.stackTraceLimit = limit;
    await target.close();
  }
}

function note(findings: Findings, target: Target, made: unknown, outcome: string): void {
  const known = findings.outcomes.get(outcome);
  if (known === undefined) findings.outcomes.set(outcome, { count: 1, shortest: target.encode(made) });
  else if (++known.count < 10_000 && (known.count & (known.count - 1)) === 0) {
    const text = target.encode(made);
    if (text.length < known.shortest.length) known.shortest = text;
  }
}

/** The cases that are kept, with what they came to. */
export function readCorpus(name: TargetName): { outcome: string; text: string }[] {
  return readFileSync(corpusFile(name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [outcome, text] = line.split('\t');
      return { outcome: outcome!, text: text! };
    });
}

export function corpusFile(name: TargetName): string {
  return fileURLToPath(new URL(`../../../../test/hostile/corpus/${name}.txt`, import.meta.url));
}

/** What a kept case comes to now. */
export async function replay(name: TargetName, cases: readonly string[]): Promise<string[]> {
  const target: Target = new TARGETS[name]();
  try {
    const outcomes: string[] = [];
    for (const text of cases) outcomes.push(await target.run(target.decode(text)));
    return outcomes;
  } finally {
    await target.close();
  }
}
