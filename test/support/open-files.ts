/** Files with some text in them, open, for tests that hand descriptors about; and how many descriptors this process has. */
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.js';

/** A file with some text, open; gone at the end. */
export function someFile(t: TestContext, flags: number | string = 'r+', text = 'what is in the file'): number {
  const folder = mkdtempSync(join(tmpdir(), 'alpc-handles-'));
  const path = join(folder, 'file');
  writeFileSync(path, text);
  const fd = openSync(path, flags);
  atEnd(t, () => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return fd;
}

/** Its first hundred bytes. */
export function textOf(fd: number): string {
  const buffer = Buffer.alloc(100);
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, 100, 0));
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
