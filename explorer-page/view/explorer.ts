/**
 * What the page knows and shows, in one place: the tree, where in it the user is, what is chosen, what is searched. The parts of the
 * page read these signals and call these methods; none of them keeps a second truth. What the server tells comes in here and is shown at most some times in a second: a
 * burst of ten thousand objects must not sort the list ten thousand times.
 */
import { batch, computed, type ReadonlySignal, signal } from '@preact/signals';
import { printable } from '../../src/base/printable.js';
import type { ExplorerInfo, Graph, ObjectEvent, ObjectType, TreeObject } from '../../src/explorer/model.js';
import { type Api, ApiError, type LinkState, type LiveEvent } from '../logic/api.js';
import { type ListRow, listRows, rowOf, type Sorting } from '../logic/list-rows.js';
import { leadOf } from '../logic/links.js';
import { readHash, writeHash } from '../logic/location.js';
import { leafOf, parentOf, ROOT } from '../logic/names.js';
import { Namespace } from '../logic/namespace.js';
import { find, isEmpty } from '../logic/search.js';
import type { Settings, Theme } from '../logic/settings.js';
import { openTo, type TreeRow, treeRows } from '../logic/tree-rows.js';

export type ViewName = 'objects' | 'graph';

/** Between two times that the list is made anew. */
const PAUSE = 120;
/** For so long is an object that came shown as new. */
const FRESH = 2000;

export class Explorer {
  readonly view = signal<ViewName>('objects');
  /** The directory that is shown. */
  readonly here = signal(ROOT);
  /** The object that is chosen in the list. */
  readonly chosen = signal<string | undefined>(undefined);
  readonly open = signal<ReadonlySet<string>>(new Set([ROOT]));
  readonly sorting = signal<Sorting>({ by: 'name', descending: false });
  readonly grouped = signal(true);
  readonly searchText = signal('');
  readonly searchType = signal<ObjectType | undefined>(undefined);
  /** The object whose properties are shown. */
  readonly properties = signal<string | undefined>(undefined);
  readonly quickAccess = signal<readonly string[]>([]);
  readonly theme = signal<Theme>('system');
  /** What `theme` comes to. */
  readonly isDark = signal(false);
  readonly link = signal<LinkState>('connecting');
  readonly info = signal<ExplorerInfo | undefined>(undefined);
  readonly isLoaded = signal(false);
  /** The picture of the whole as it came last, while it is shown. */
  readonly graph = signal<Graph | undefined>(undefined);
  /** What has just happened, for whoever hears the page, and shown for a while. */
  readonly notice = signal('');

  readonly isSearching: ReadonlySignal<boolean>;
  readonly rows: ReadonlySignal<ListRow[]>;
  readonly treeRows: ReadonlySignal<TreeRow[]>;
  readonly chosenObject: ReadonlySignal<TreeObject | undefined>;

  readonly #version = signal(0);
  readonly #freshSince = new Map<string, number>();
  #namespace = new Namespace();
  #missed: ObjectEvent[] = [];
  #loading: Promise<boolean> | undefined;
  #bump: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly api: Api, readonly settings: Settings) {
    const { sorting, grouped, quickAccess, theme } = settings.data;
    batch(() => {
      this.sorting.value = sorting;
      this.grouped.value = grouped;
      this.quickAccess.value = quickAccess;
      this.theme.value = theme;
    });
    this.isSearching = computed(() => !isEmpty({ text: this.searchText.value, type: this.searchType.value }));
    this.rows = computed(() => listRows(this.#shown(), { ...this.sorting.value, grouped: this.grouped.value }));
    this.treeRows = computed(() => treeRows(this.namespace, this.open.value));
    this.chosenObject = computed(() => (this.chosen.value === undefined ? undefined : this.namespace.get(this.chosen.value)));
  }

  /** Whoever reads it in a signal or a component is told when it changes. */
  get namespace(): Namespace {
    void this.#version.value;
    return this.#namespace;
  }

  // ---- with the server -------------------------------------------------------------------------------------------------

  /**
   * Listens until `signal` ends it. The tree is asked for at once, for there to be something to see, and again when the server says that it watches: only what is asked
   * for then lacks nothing. To watch ten thousand directories takes longer than to list them.
   */
  async listen(abort: AbortSignal): Promise<void> {
    void this.#load();
    await this.api.listen({ objects: true }, { onEvent: (event) => this.#onEvent(event), onState: (state) => (this.link.value = state), signal: abort });
  }

  /** Asks for the whole tree once more, for somebody who wants to hear that it is done. */
  async refresh(): Promise<void> {
    if (await this.#load()) this.say('Refreshed.');
  }

  /** @returns whether the tree is as the server has it; where it is not, the reason has been said */
  #load(): Promise<boolean> {
    this.#loading ??= this.#loadOnce().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Not what is on its way already: it may have been asked for too early. */
  async #loadAgain(): Promise<void> {
    await this.#loading;
    await this.#load();
  }

  async #loadOnce(): Promise<boolean> {
    this.#missed = [];
    try {
      const tree = await this.api.tree();
      this.#namespace = new Namespace(tree);
      this.#namespace.apply(this.#missed);
      this.#afterLoad();
      return true;
    } catch (error) {
      this.say(error instanceof ApiError ? error.message : 'The server does not answer.');
      return false;
    }
  }

  #onEvent(event: LiveEvent): void {
    if (event.event === 'info') {
      this.info.value = event.data;
      void this.#loadAgain();
    } else if (event.event === 'reload') {
      void this.#load();
    } else if (event.event === 'objects') {
      if (this.#loading !== undefined) this.#missed.push(...event.data);
      this.#namespace.apply(event.data);
      const now = performance.now();
      for (const [name, since] of this.#freshSince) if (now - since > FRESH) this.#freshSince.delete(name);
      for (const { event: kind, name } of event.data) if (kind === 'created') this.#freshSince.set(name, now);
      this.#bump ??= setTimeout(() => this.#changed(), PAUSE);
    }
  }

  #afterLoad(): void {
    batch(() => {
      this.#changed();
      if (this.isLoaded.value) return;
      this.isLoaded.value = true;
      this.#goThere();
    });
  }

  #changed(): void {
    clearTimeout(this.#bump);
    this.#bump = undefined;
    batch(() => {
      this.#version.value++;
      const there = this.#namespace.nearest(this.here.value);
      if (this.isLoaded.value && there !== this.here.value) this.#show(there);
      if (this.chosen.value !== undefined && this.#namespace.get(this.chosen.value) === undefined) this.chosen.value = undefined;
    });
  }

  isFresh(name: string): boolean {
    const since = this.#freshSince.get(name);
    return since !== undefined && performance.now() - since < FRESH;
  }

  // ---- going -----------------------------------------------------------------------------------------------------------

  /** To a directory, or to an object in the directory where it stands. */
  go(name: string): void {
    const object = this.#namespace.get(name);
    if (object === undefined) {
      this.say(`${name} is not there.`);
      return;
    }
    const directory = object.type === 'Directory' ? name : parentOf(name)!;
    batch(() => {
      this.view.value = 'objects';
      this.clearSearch();
      this.#show(directory, object.type === 'Directory' ? undefined : name);
    });
    this.#remember('push');
  }

  /** To the directory around this one, with this one chosen there. */
  up(): void {
    if (this.view.value === 'graph') return; // there is nothing above the whole
    const from = this.here.value;
    const parent = parentOf(from);
    if (parent === undefined) return;
    batch(() => {
      this.clearSearch();
      this.#show(parent, from);
    });
    this.#remember('push');
  }

  /** What Enter does: into a directory, to a link's target, and of everything else the properties. */
  activate(object: TreeObject): void {
    if (object.type === 'Directory') this.go(object.name);
    else if (object.type === 'SymbolicLink') this.goToTarget(object);
    else this.properties.value = object.name;
  }

  goToTarget(link: TreeObject): void {
    const lead = leadOf(this.#namespace, link);
    if ('to' in lead) this.go(lead.to);
    else this.say(`${link.name} leads to ${link.target ?? 'nothing'}, ${lead.problem === 'nowhere' ? 'and there is no such object' : 'in a circle'}.`);
  }

  showView(view: ViewName): void {
    if (this.view.value === view) return;
    batch(() => {
      this.view.value = view;
      this.clearSearch(); // the picture shows the whole, and who comes back from it comes back to a directory
    });
    this.#remember('push');
  }

  /** The address bar has changed: Back, Forward, or by hand. */
  onHash(): void {
    if (!this.isLoaded.value) return;
    batch(() => {
      this.clearSearch();
      this.#goThere();
    });
  }

  clearSearch(): void {
    this.searchText.value = '';
    this.searchType.value = undefined;
  }

  #goThere(): void {
    const { path, isGraph } = readHash(location.hash);
    const wanted = path ?? this.settings.data.path;
    batch(() => {
      this.view.value = isGraph && !this.isSearching.value ? 'graph' : 'objects'; // who has begun to search while the tree was on its way goes on
      this.#show(this.#namespace.nearest(wanted), this.#namespace.get(wanted)?.type === 'Directory' ? undefined : wanted);
    });
    this.#remember('replace');
  }

  #show(directory: string, chosen?: string): void {
    this.here.value = directory;
    this.open.value = openTo(directory, this.open.value);
    this.chosen.value = chosen;
  }

  #remember(how: 'push' | 'replace'): void {
    const path = this.here.value;
    const hash = writeHash({ path, isGraph: this.view.value === 'graph' });
    if (how === 'push' && location.hash !== hash) history.pushState(null, '', hash);
    else history.replaceState(null, '', hash);
    this.settings.change({ path });
  }

  // ---- choosing, looking -----------------------------------------------------------------------------------------------

  get chosenRow(): number {
    return rowOf(this.rows.value, this.chosen.value);
  }

  setOpen(directory: string, isOpen: boolean): void {
    const open = new Set(this.open.value);
    if (isOpen) open.add(directory);
    else open.delete(directory);
    this.open.value = open;
  }

  sortBy(by: Sorting['by']): void {
    const { by: before, descending } = this.sorting.value;
    this.sorting.value = { by, descending: by === before && !descending };
    if (by !== 'directory') this.settings.change({ sorting: this.sorting.value });
  }

  setGrouped(grouped: boolean): void {
    this.grouped.value = grouped;
    this.settings.change({ grouped });
  }

  setTheme(theme: Theme): void {
    this.theme.value = theme;
    this.settings.change({ theme });
  }

  isPinned(name: string): boolean {
    return this.quickAccess.value.includes(name);
  }

  togglePin(name: string): void {
    const isPinned = this.isPinned(name);
    this.quickAccess.value = isPinned ? this.quickAccess.value.filter((each) => each !== name) : [...this.quickAccess.value, name];
    this.settings.change({ quickAccess: [...this.quickAccess.value] });
    this.say(`${leafOf(name)} ${isPinned ? 'removed from' : 'added to'} the quick access.`);
  }

  async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.say(`Copied: ${text}`);
    } catch {
      this.say('The browser does not let this page copy.');
    }
  }

  say(text: string): void {
    clearTimeout(this.#quiet);
    this.notice.value = printable(text);
    this.#quiet = setTimeout(() => (this.notice.value = ''), 6000);
  }

  #shown(): Iterable<TreeObject> {
    const namespace = this.namespace;
    const search = { text: this.searchText.value, type: this.searchType.value };
    return isEmpty(search) ? namespace.childrenOf(this.here.value) : find(namespace.all(), search);
  }
}
