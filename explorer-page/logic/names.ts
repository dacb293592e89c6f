/**
 * Full names of objects as the page takes them apart: `\`, `\RPC Control`, `\RPC Control\spooler`. The page makes no names of its own, so
 * nothing is checked here: the server said them, and it says what it thinks of those that are asked for.
 */
export const ROOT = '\\';

/** Of the root: undefined. */
export function parentOf(name: string): string | undefined {
  if (name === ROOT) return undefined;
  const at = name.lastIndexOf('\\');
  return at <= 0 ? ROOT : name.slice(0, at);
}

/** The last part; of the root, `\` itself. */
export function leafOf(name: string): string {
  return name === ROOT ? ROOT : name.slice(name.lastIndexOf('\\') + 1);
}

/** The full name of what is called `part` in a directory. */
export function joinName(directory: string, part: string): string {
  return directory === ROOT ? `\\${part}` : `${directory}\\${part}`;
}

/** The way to an object, from the root, without the object itself. */
export function ancestorsOf(name: string): string[] {
  const way: string[] = [];
  for (let at = parentOf(name); at !== undefined; at = parentOf(at)) way.unshift(at);
  return way;
}

/** Whether `name` is `directory` or stands somewhere below it. */
export function isWithin(name: string, directory: string): boolean {
  return directory === ROOT || name === directory || name.startsWith(`${directory}\\`);
}

/** The way a person sorts: `worker-2` before `worker-10`, capitals among the small letters; names that differ only in those, by their characters. */
export function compareNames(a: string, b: string): number {
  return COLLATOR.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
