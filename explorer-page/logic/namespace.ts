/**
 * The object tree as the page knows it: everything there is at once, and kept true by what the server tells of objects that come and go.
 * A page may open while objects come and go, so an event is taken as it is: what is created twice is there once, what is removed and was never there is
 * not there, and what is removed takes along whatever stands below it. Directories that an event names only through what is in
 * them are not made up.
 */
import type { ObjectEvent, ObjectType, Tree, TreeObject } from '../../src/explorer/model.js';
import { compareNames, leafOf, parentOf, ROOT } from './names.js';

const ROOT_OBJECT: TreeObject = { name: ROOT, type: 'Directory' };

export class Namespace {
  readonly #objects = new Map<string, TreeObject>();
  /** By directory, the names in it. */
  readonly #children = new Map<string, Set<string>>();
  /** By directory, the directories in it, sorted; made when they are asked for. */
  readonly #sorted = new Map<string, TreeObject[]>();

  constructor(tree?: Pick<Tree, 'objects'>) {
    for (const object of tree?.objects ?? []) this.#add(object);
  }

  /** Without the root. */
  get size(): number {
    return this.#objects.size;
  }

  get(name: string): TreeObject | undefined {
    return name === ROOT ? ROOT_OBJECT : this.#objects.get(name);
  }

  /** Every object but the root, in no order. */
  all(): Iterable<TreeObject> {
    return this.#objects.values();
  }

  /** What stands in a directory, in no order. */
  childrenOf(directory: string): TreeObject[] {
    return Array.from(this.#children.get(directory) ?? [], (name) => this.#objects.get(name)!);
  }

  /** The directories in a directory, sorted. */
  directoriesIn(directory: string): readonly TreeObject[] {
    const known = this.#sorted.get(directory);
    if (known !== undefined) return known;
    const found = this.childrenOf(directory).filter(({ type }) => type === 'Directory').toSorted((a, b) => compareNames(leafOf(a.name), leafOf(b.name)));
    this.#sorted.set(directory, found);
    return found;
  }

  countByType(): Map<ObjectType, number> {
    const counts = new Map<ObjectType, number>();
    for (const { type } of this.#objects.values()) counts.set(type, (counts.get(type) ?? 0) + 1);
    return counts;
  }

  /** The nearest directory of the way to `name` that is there. */
  nearest(name: string): string {
    let at = name;
    while (this.get(at)?.type !== 'Directory') at = parentOf(at) ?? ROOT;
    return at;
  }

  apply(events: readonly ObjectEvent[]): void {
    for (const { event, ...object } of events) {
      if (event === 'removed') this.#remove(object.name);
      else this.#add(object);
    }
  }

  #add(object: TreeObject): void {
    if (object.name === ROOT) return;
    const before = this.#objects.get(object.name);
    if (before?.type === 'Directory' && object.type !== 'Directory') this.#remove(object.name);
    this.#objects.set(object.name, object);
    const parent = parentOf(object.name)!;
    const siblings = this.#children.get(parent);
    if (siblings === undefined) this.#children.set(parent, new Set([object.name]));
    else siblings.add(object.name);
    if (object.type === 'Directory' || before?.type === 'Directory') this.#sorted.delete(parent);
  }

  #remove(name: string): void {
    for (const child of this.#children.get(name) ?? []) this.#remove(child);
    this.#children.delete(name);
    this.#sorted.delete(name);
    const parent = parentOf(name);
    if (parent === undefined || !this.#objects.delete(name)) return;
    this.#children.get(parent)?.delete(name);
    this.#sorted.delete(parent);
  }
}
