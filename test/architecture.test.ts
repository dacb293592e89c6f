/**
 * The shape of src/, held by reading it: floors that import downward only, one seam to the C library, no circles, no state
 * that hides in modules, no holes in the types, files that a person can read at one sitting.
 *
 * The rules are functions from texts to complaints, so that each is also seen to complain, about a file made up for it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** From the lowest. What stands beside the floors (index.ts) may import from all of them. */
const FLOORS = ['base', 'platform', 'objects', 'memory', 'ports', 'notification', 'rpc', 'system', 'explorer', 'cli'];
const LONGEST_FILE = 500;

/** Paths relative to src/, with their texts. */
type Sources = ReadonlyMap<string, string>;
type Rule = (sources: Sources) => string[];

interface Import {
  readonly from: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function readSources(): Sources {
  const src = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src');
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(src, path), 'utf8')]));
}

/** All imports of a file, relative ones as paths of source files: static, dynamic, re-exports, `require`. */
function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const statics = code.matchAll(/^(?:import|export)\b(\s+type\b(?!\s*,))?(?:[^;'"]*?\bfrom)?\s*['"]([^'"]+)['"]/gm);
  const calls = code.matchAll(/\b(?:import|require)\s*(?:\([^'"()]*\)\s*)?\(\s*['"]([^'"]+)['"]/g);
  const found = [...Array.from(statics, (match) => ({ target: match[2]!, typeOnly: match[1] !== undefined })), ...Array.from(calls, (match) => ({ target: match[1]!, typeOnly: false }))];
  const named = /createRequire\([^)]*\)\(\s*['"]([^'"]+)['"]/g;
  for (const match of code.matchAll(named)) found.push({ target: match[1]!, typeOnly: false });
  return found.map(({ target, typeOnly }) => ({ from: path, typeOnly, target: target.startsWith('.') ? posix.join(posix.dirname(path), target).replace(/\.js$/, '.ts') : target }));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\/|(^|[^:'"`\\])\/\/.*$/gm, '$1');
}

function floorOf(path: string): number {
  return path.includes('/') ? FLOORS.indexOf(path.slice(0, path.indexOf('/'))) : FLOORS.length;
}

function allImports(sources: Sources): Import[] {
  return [...sources].flatMap(([path, text]) => importsOf(path, text));
}

const downward: Rule = (sources) =>
  allImports(sources).flatMap(({ from, target }) => {
    if (floorOf(from) < 0) return [`${from} stands on no floor`];
    if (!target.endsWith('.ts')) return [];
    if (!sources.has(target)) return [`${from} imports ${target}, which is not there`];
    return floorOf(target) > floorOf(from) ? [`${from} imports ${target}, from a higher floor`] : [];
  });

const oneSeam: Rule = (sources) =>
  allImports(sources)
    .filter(({ from, target }) => /^koffi($|\/)/.test(target) && !from.startsWith('platform/'))
    .map(({ from }) => `${from} imports koffi`);

const noCircles: Rule = (sources) => {
  const edges = new Map<string, string[]>();
  for (const { from, target, typeOnly } of allImports(sources)) if (!typeOnly && sources.has(target)) edges.set(from, [...(edges.get(from) ?? []), target]);
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, way: string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
    if (done.has(path) || way.includes(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  return circles;
};

const noHolesInTypes: Rule = (sources) =>
  [...sources].flatMap(([path, text]) => {
    const complaints: string[] = [];
    if (/@ts-(?:ignore|expect-error|nocheck)/.test(text)) complaints.push(`${path} turns the compiler off`);
    const code = withoutComments(text).replace(/'(?:[^'\\\n]|\\.)*'|`[^`]*`/g, "''");
    if (/(?::|\bas|\bextends)\s*any\b|<[^<>()=;]*\bany\b[^<>()=;]*>|\bany\[\]|(?<!\|)\|\s*any\b/.test(code)) complaints.push(`${path} says any`);
    return complaints;
  });

const noStateInModules: Rule = (sources) =>
  [...sources].flatMap(([path, text]) => Array.from(withoutComments(text).matchAll(/^(?:export )?(?:let|var) (\w+)/gm), (match) => `${path} keeps state in its module: ${match[1]}`));

const shortFiles: Rule = (sources) => [...sources].flatMap(([path, text]) => (text.trimEnd().split('\n').length > LONGEST_FILE ? [`${path} has ${text.trimEnd().split('\n').length} lines`] : []));

const teachingFirst: Rule = (sources) => [...sources].flatMap(([path, text]) => (/^(?:#!.*\n)?(?:\/\*\*?[\s*]*[^\s*/]|\/\/ )/.test(text) ? [] : [`${path} does not open with a comment`]));

/** That the rule holds for src/, and that it would complain about these. */
function holds(sentence: string, rule: Rule, bad: Record<string, string>[], good: Record<string, string>): void {
  test(sentence, () => {
    for (const files of bad) assert.notDeepEqual(rule(new Map(Object.entries(files))), [], `complains about ${JSON.stringify(files)}`);
    assert.deepEqual(rule(new Map(Object.entries(good))), []);
    assert.deepEqual(rule(readSources()), []);
  });
}

holds(
  'a file imports from its own floor and from lower ones, types included',
  downward,
  [
    { 'base/a.ts': "import { b } from '../platform/b.js';", 'platform/b.ts': '' },
    { 'memory/a.ts': "import type {\n  B,\n} from '../ports/b.js';", 'ports/b.ts': '' },
    { 'objects/a.ts': "export * from '../memory/b.js';", 'memory/b.ts': '' },
    { 'memory/a.ts': "const b = await import('../rpc/b.js');", 'rpc/b.ts': '' },
    { 'memory/a.ts': "import '../cli/b.js';", 'cli/b.ts': '' },
    { 'elsewhere/a.ts': "import { b } from 'node:fs';" },
    { 'base/a.ts': "import { b } from './gone.js';" },
  ],
  { 'ports/a.ts': "import { b } from '../base/b.js';\nimport { c } from './c.js';", 'base/b.ts': '', 'ports/c.ts': '', 'index.ts': "export * from './ports/a.js';" },
);

holds(
  'only the platform floor imports koffi',
  oneSeam,
  [{ 'memory/a.ts': "import koffi from 'koffi';" }, { 'ports/a.ts': "import type { node } from 'koffi';" }, { 'rpc/a.ts': "const k = createRequire(import.meta.url)('koffi') as K;" }],
  { 'platform/a.ts': "import koffi from 'koffi';", 'memory/a.ts': "// import koffi from 'koffi';\nimport { b } from 'koffi-like';" },
);

holds(
  'files do not import each other in a circle, but for types',
  noCircles,
  [
    { 'base/a.ts': "import { b } from './b.js';", 'base/b.ts': "import { c } from './c.js';", 'base/c.ts': "export { a } from './a.js';" },
    { 'base/a.ts': "import { a } from './a.js';" },
  ],
  { 'base/a.ts': "import { b } from './b.js';", 'base/b.ts': "import type { a } from './a.js';" },
);

holds(
  'no type is any, and nothing turns the compiler off',
  noHolesInTypes,
  [{ 'base/a.ts': 'const a: any = 1;' }, { 'base/a.ts': 'f(a as any);' }, { 'base/a.ts': 'const m = new Map<string, any>();' }, { 'base/a.ts': 'let a: string | any;' }, { 'base/a.ts': '// @ts-ignore\nf();' }],
  { 'base/a.ts': "let any = false; // as any\nany = true;\nf('as any', any);\nif (any || any) g();" },
);

holds('no module keeps state in a variable', noStateInModules, [{ 'base/a.ts': 'let count = 0;' }, { 'base/a.ts': 'export let count = 0;' }], { 'base/a.ts': 'const a = 1;\nfunction f() {\n  let b = 1;\n}' });

holds(`no file has more than ${LONGEST_FILE} lines`, shortFiles, [{ 'base/a.ts': 'a\n'.repeat(LONGEST_FILE + 1) }], { 'base/a.ts': 'a\n'.repeat(LONGEST_FILE) });

holds('every file opens with a comment that says what it is', teachingFirst, [{ 'base/a.ts': "import 'b';\n/** late */" }, { 'base/a.ts': '/** */' }], { 'base/a.ts': '/**\n * What it is.\n */', 'cli/main.ts': '#!/usr/bin/env node\n/** What it is. */' });

test('every file of src is read: each floor that is there has files', () => {
  const floors = new Set([...readSources().keys()].map((path) => path.split('/')[0]));
  for (const floor of ['base', 'platform', 'objects', 'memory', 'ports', 'index.ts']) assert.ok(floors.has(floor), floor);
});
