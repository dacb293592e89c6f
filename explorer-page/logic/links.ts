/**
 * Where symbolic links lead, told from the tree that the page knows: so a link that led nowhere leads somewhere as soon as its target comes, and
 * the other way round, without a word of the server about the link. The way is the kernel's: absolute targets begin at the root of the namespace, others in the
 * link's directory, and links on the way are followed, forty at most.
 *
 * What stands in a directory that can't be listed is not in the tree. Where the way goes through one, what the server said of the link counts.
 */
import type { TreeObject } from '../../src/explorer/model.js';
import { joinName, parentOf, ROOT } from './names.js';
import type { Namespace } from './namespace.js';

/** `to`: the full name of an object that is no link. */
export type Lead = { readonly to: string } | { readonly problem: 'nowhere' | 'in a circle' };

type Link = Pick<TreeObject, 'name' | 'target' | 'resolved'>;

/** The kernel's limit: who needs more is taken to go round. */
const MOST_LINKS = 40;
const NOWHERE: Lead = { problem: 'nowhere' };

export function leadOf(namespace: Namespace, link: Link): Lead {
  if (link.target === undefined) return asTold(link);
  let at = beginningOf(link.target, parentOf(link.name)!);
  let links = 1;
  const left = partsOf(link.target);
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    const directory = namespace.get(at);
    if (directory?.unreadable !== undefined) return asTold(link);
    if (directory?.type !== 'Directory') return NOWHERE;
    const next = part === '.' ? at : part === '..' ? (parentOf(at) ?? ROOT) : joinName(at, part);
    const found = namespace.get(next);
    if (found === undefined) return NOWHERE;
    if (found.type !== 'SymbolicLink') {
      at = next;
      continue;
    }
    if (found.target === undefined) return asTold(link);
    if (++links > MOST_LINKS) return { problem: 'in a circle' };
    at = beginningOf(found.target, at);
    left.unshift(...partsOf(found.target));
  }
  return { to: at };
}

function asTold({ resolved }: Link): Lead {
  return resolved === undefined ? NOWHERE : { to: resolved };
}

function beginningOf(target: string, directory: string): string {
  return target.startsWith('\\') ? ROOT : directory;
}

function partsOf(target: string): string[] {
  return target.split('\\').filter((part) => part !== '');
}
