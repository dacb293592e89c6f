/**
 * A second build of the library that keeps no figures for inspectors, for `npm run bench:counters`: what is compiled is copied, and in the copy the
 * statements are taken out that write figures and measure round trips. Each must be found as often as is said here: when the source
 * changes this fails, and does not measure two builds that are the same. Figures of views and handles stay: a plain call has none.
 */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Cut {
  readonly file: string;
  readonly text: string;
  readonly times: number;
  /** What stands there instead; nothing when it is left out. */
  readonly instead?: string;
}

const cut = (file: string, text: string, times = 1, instead = ''): Cut => ({ file, text, times, instead });

const CUTS: readonly Cut[] = [
  ...['begin', 'end', 'drop'].map((method) => cut('ports/latency-meter.js', `    ${method}(id) {`, 1, `    ${method}() {\n        return;`)),
  cut('ports/calls.js', 'this.#figures.words[REQUESTS] = ++this.#begun;', 2),
  cut('ports/calls.js', 'this.#figures.words[SETTLED_REQUESTS] = ++this.#settled;', 2),
  cut('ports/unanswered.js', 'this.#figures.words[UNANSWERED_REQUESTS] = this.#requests.length;'),
  cut('ports/unanswered.js', 'this.#figures.words[UNANSWERED_REQUESTS] = place + 1;'),
  cut('ports/inbound.js', 'this.#figures.words[QUEUED_MESSAGES] = this.#queue.length;'),
  cut('memory/ring.js', 'words[SENT_MESSAGES] = this.#sequence;'),
  cut('memory/ring.js', 'const rest = this.#sentRest + dataLength;'),
  cut('memory/ring.js', 'if (rest >= 1024)\n            words[SENT_KIB] = this.#sentKiB = (this.#sentKiB + (rest >> 10)) | 0;'),
  cut('memory/ring.js', 'this.#sentRest = rest & 1023;'),
  cut('memory/ring.js', 'words[SENT_BYTES] = (this.#sentKiB << 10) + this.#sentRest;'),
  cut('memory/ring.js', 'words[RECEIVED_MESSAGES] = this.#received;'),
  cut('memory/link.js', 'this.own.words[Control.bellsRung] = ++this.#bells;', 1, ';'),
];

/** A copy of what is compiled, `src` and `bench`, as it is or without figures. @returns its directory, which the caller removes */
export function copyBuild(figures: 'with' | 'without'): string {
  const compiled = fileURLToPath(new URL('../', import.meta.url));
  const copy = mkdtempSync(join(compiled, `${figures}-figures-`)); // in the project: so it finds the packages
  for (const part of ['src', 'bench']) cpSync(join(compiled, part), join(copy, part), { recursive: true });
  if (figures === 'without') for (const each of CUTS) take(join(copy, 'src', each.file), each);
  return copy;
}

function take(path: string, { file, text, times, instead = '' }: Cut): void {
  const parts = readFileSync(path, 'utf8').split(text);
  if (parts.length - 1 !== times) throw new Error(`${file} holds '${text}' ${parts.length - 1} times, expected ${times}: the list of figures in scripts/counters-build.ts is not that of the source`);
  writeFileSync(path, parts.join(instead));
}
