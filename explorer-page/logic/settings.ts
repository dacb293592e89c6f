/**
 * What the page remembers in the browser from one visit to the next: where it was, how it looked, what is in the quick access. It is kept under the
 * page's address, port included. What is read may be anything (an older page wrote it, or somebody's hand): what does not fit is
 * as if it were not there. Without a storage that works, nothing is remembered and nothing fails.
 */
import type { Sorting } from './list-rows.js';

export type Theme = 'system' | 'light' | 'dark';

export interface SettingsData {
  path: string;
  theme: Theme;
  grouped: boolean;
  sorting: Sorting;
  /** Full names. */
  quickAccess: string[];
  treeWidth: number;
}

/** What of `localStorage` is needed. */
export interface SettingsStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export const NARROWEST_TREE = 140;
export const WIDEST_TREE = 900;

const KEY = 'alpc-explorer';
const DEFAULTS: SettingsData = { path: '\\', theme: 'system', grouped: true, sorting: { by: 'name', descending: false }, quickAccess: ['\\RPC Control', '\\BaseNamedObjects'], treeWidth: 280 };
const LONGEST_NAME = 4096;
const MOST_QUICK = 100;

export class Settings {
  readonly #store: SettingsStore | undefined;
  #data: SettingsData;

  constructor(store?: SettingsStore) {
    this.#store = store;
    this.#data = read(store);
  }

  get data(): Readonly<SettingsData> {
    return this.#data;
  }

  change(part: Partial<SettingsData>): void {
    this.#data = { ...this.#data, ...part };
    try {
      this.#store?.setItem(KEY, JSON.stringify(this.#data));
    } catch {
      // full, or forbidden: then it is not remembered
    }
  }
}

function read(store: SettingsStore | undefined): SettingsData {
  let found: unknown;
  try {
    found = JSON.parse(store?.getItem(KEY) ?? 'null');
  } catch {
    found = null;
  }
  if (typeof found !== 'object' || found === null) return DEFAULTS;
  const { path, theme, grouped, sorting, quickAccess, treeWidth } = found as Partial<Record<keyof SettingsData, unknown>>;
  return {
    path: isName(path) ? path : DEFAULTS.path,
    theme: theme === 'light' || theme === 'dark' ? theme : DEFAULTS.theme,
    grouped: typeof grouped === 'boolean' ? grouped : DEFAULTS.grouped,
    sorting: isSorting(sorting) ? { by: sorting.by, descending: sorting.descending } : DEFAULTS.sorting,
    quickAccess: Array.isArray(quickAccess) ? [...new Set(quickAccess.filter(isName))].slice(0, MOST_QUICK) : DEFAULTS.quickAccess,
    treeWidth: typeof treeWidth === 'number' && Number.isFinite(treeWidth) ? Math.max(NARROWEST_TREE, Math.min(WIDEST_TREE, treeWidth)) : DEFAULTS.treeWidth,
  };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('\\') && value.length <= LONGEST_NAME;
}

function isSorting(value: unknown): value is Sorting {
  if (typeof value !== 'object' || value === null) return false;
  const { by, descending } = value as Partial<Record<keyof Sorting, unknown>>;
  return (by === 'name' || by === 'type' || by === 'target') && typeof descending === 'boolean';
}
