/**
 * The page's files, as the build left them. They are listed once, when the server starts: what is asked for is looked up among
 * these names, and a name that is not among them is not there, however it is written.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Its name holds a hash of what is in it. */
  readonly isImmutable: boolean;
}

/** dist/explorer-page/site, as seen from dist/src/explorer/http. */
export const PAGE_DIRECTORY = fileURLToPath(new URL('../../../explorer-page/site', import.meta.url));

/** No script and no style but the page's own files, nothing from elsewhere, and no frame around it. Charts and graph set styles through the DOM, which is no inline style. */
export const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

const MISSING = `<!doctype html><html lang="en"><meta charset="utf-8"><title>alpc explorer</title>
<p>The page has not been built: <code>npm run build</code> does it. The interface that it uses is there, under <code>/api/</code>.</p></html>`;

export function readPage(directory = PAGE_DIRECTORY): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const path of filesIn(directory)) {
    const type = TYPES[extname(path)];
    if (type === undefined) continue;
    const name = `/${relative(directory, path).replaceAll(sep, '/')}`;
    files.set(name, { body: new Uint8Array(readFileSync(path)), type, isImmutable: /-[\w-]{8,}\.\w+$/.test(name) });
  }
  files.set('/', files.get('/index.html') ?? { body: new TextEncoder().encode(MISSING), type: TYPES['.html']!, isImmutable: false });
  return files;
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}
