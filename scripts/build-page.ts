/**
 * Bundles the explorer's page (explorer-page/) to dist/explorer-page/site, unless what is there was made later than everything that it
 * is made of: then there is nothing to do, and a build costs no seconds.
 *
 *     node dist/scripts/build-page.js            when something has changed
 *     node dist/scripts/build-page.js --force
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = join(root, 'explorer-page');
const made = join(root, 'dist', 'explorer-page', 'site', 'index.html');

if (process.argv.includes('--force') || isOlder(made, [...filesIn(page), join(root, 'package-lock.json'), fileURLToPath(import.meta.url)])) {
  const { build } = await import('vite');
  await build({ root: page, configFile: join(page, 'vite.config.ts'), logLevel: 'warn' });
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => join(entry.parentPath, entry.name));
}

function isOlder(path: string, sources: readonly string[]): boolean {
  const time = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return time === undefined || sources.some((source) => statSync(source).mtimeMs > time);
}
