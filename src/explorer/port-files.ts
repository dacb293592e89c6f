/**
 * The ports and events of the namespace by the files that stand for them: so that what the kernel tells of a socket or a FIFO gets
 * its name. The kernel tells a socket's file by the lower half of its number and the device, and some file systems (overlays)
 * tell `stat` another device: then the number alone must do.
 */
import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { type RootOptions, walkNamespace } from '../objects/index.js';
import { findRoot } from '../objects/root.js';
import type { SocketFacts } from '../platform/socket-list.js';

const HALF = 2 ** 32;

export interface NamedFile {
  readonly name: string;
  readonly inode: number;
  readonly device: number;
}

export class NamedFiles {
  readonly ports: readonly NamedFile[];
  readonly events: readonly NamedFile[];
  readonly #portsByInode = new Map<number, NamedFile[]>();

  constructor(options: RootOptions) {
    const { path: root } = findRoot(options);
    const found = { ports: [] as NamedFile[], events: [] as NamedFile[] };
    for (const { name, type } of walkNamespace(options)) {
      const list = type === 'ALPC Port' ? found.ports : type === 'Event' ? found.events : undefined;
      const stat = list === undefined ? undefined : statOf(pathOf(root, name));
      if (stat !== undefined) list!.push({ name, inode: stat.ino, device: stat.dev });
    }
    this.ports = found.ports;
    this.events = found.events;
    for (const port of this.ports) {
      const low = port.inode % HALF;
      this.#portsByInode.set(low, [...(this.#portsByInode.get(low) ?? []), port]);
    }
  }

  /** The port whose socket this is: the one that listens, or one that it accepted. */
  portOf({ file }: SocketFacts): NamedFile | undefined {
    if (file === undefined) return undefined;
    const candidates = this.#portsByInode.get(file.inode) ?? [];
    return candidates.find(({ device }) => device === file.device) ?? (candidates.length === 1 && isOverlay(candidates[0]!, file.device) ? candidates[0] : undefined);
  }
}

/** Where an object stands on disk. */
export function pathOf(root: string, name: string): string {
  return name === '\\' ? root : join(root, name.slice(1).replaceAll('\\', '/'));
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Both devices have no disk behind them: the one is made up by the file system for `stat`. */
function isOverlay(port: NamedFile, device: number): boolean {
  return port.device >>> 8 === 0 && device >>> 8 === 0;
}
