/**
 * The list, right: what is in the directory, or what the search has found. It is one stop of the tabulator key; arrows lead from object to
 * object, letters to a name, Enter into a directory, to a link's target, or to the properties.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { printable } from '../../src/base/printable.js';
import type { TreeObject } from '../../src/explorer/model.js';
import { type Column, type ListRow, moveInList, typeAhead } from '../logic/list-rows.js';
import { formatCount, formatProblem } from '../logic/format.js';
import { leadOf } from '../logic/links.js';
import { leafOf, parentOf } from '../logic/names.js';
import { marked } from '../logic/search.js';
import type { Explorer } from './explorer.js';
import { focusMain, focusMainFromNowhere, LIST } from './focus.js';
import { Icon } from './icons.js';
import { ObjectMenu } from './object-menu.js';
import { useVirtual } from './virtual.js';

const HEIGHT = 26;
/** Letters typed within this time belong together. */
const TYPING = 800;

export function ObjectList({ explorer }: { explorer: Explorer }) {
  const scroller = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: '', at: 0 });
  const menu = useSignal<{ object: TreeObject; x: number; y: number } | undefined>(undefined);
  const rows = explorer.rows.value;
  const chosen = explorer.chosenRow;
  const isSearching = explorer.isSearching.value;
  const columns: Column[] = isSearching ? ['name', 'type', 'directory', 'target'] : ['name', 'type', 'target'];
  const virtual = useVirtual({ count: rows.length, height: HEIGHT, scroller });
  const lines = virtual.getVirtualItems();

  const chosenName = explorer.chosen.value;
  useEffect(() => {
    if (chosen >= 0) virtual.scrollToIndex(chosen === 1 && rows[0]?.kind === 'group' ? 0 : chosen);
  }, [virtual, chosenName, isSearching]);
  useEffect(() => {
    if (chosen < 0) virtual.scrollToOffset(0);
  }, [virtual, explorer.here.value, explorer.searchText.value, explorer.searchType.value]);

  const isLoaded = explorer.isLoaded.value;
  useEffect(() => {
    if (isLoaded) focusMainFromNowhere();
  }, [isLoaded]);

  const objectAt = (index: number): TreeObject | undefined => {
    const row = rows[index];
    return row?.kind === 'object' ? row.object : undefined;
  };
  const openMenu = (object: TreeObject, x: number, y: number): void => {
    explorer.chosen.value = object.name;
    menu.value = { object, x, y };
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const object = objectAt(chosen);
    if (event.key.length > 1) typed.current.text = ''; // after Enter another name begins
    const used = onListKey(event, object);
    if (used) event.preventDefault();
  };
  const onListKey = (event: KeyboardEvent, object: TreeObject | undefined): boolean => {
    if (event.key === 'Enter' && object !== undefined) {
      if (event.altKey) explorer.properties.value = object.name;
      else explorer.activate(object);
      return true;
    }
    if (event.key.toLowerCase() === 'c' && (event.ctrlKey || event.metaKey) && object !== undefined) {
      void explorer.copy(event.shiftKey ? object.name : leafOf(object.name));
      return true;
    }
    if ((event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey)) && object !== undefined) {
      const box = document.getElementById(`row-${chosen}`)?.getBoundingClientRect();
      openMenu(object, (box?.left ?? 0) + 40, box?.bottom ?? 0);
      return true;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.key === 'Escape' && isSearching) {
      explorer.clearSearch();
      return true;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / HEIGHT) - 2);
    const to = event.key.length === 1 && event.key !== ' ' ? typeAhead(rows, chosen, type(typed.current, event.key)) : moveInList(rows, chosen, event.key, page);
    if (to === undefined) return false;
    explorer.chosen.value = to;
    return true;
  };

  return (
    <div class="list-part">
      <div
        class={`list ${isSearching ? 'searching' : ''}`} role="grid" id={LIST} tabIndex={0} aria-label={isSearching ? 'Found objects' : `Objects in ${printable(explorer.here.value)}`}
        aria-rowcount={rows.length + 1} aria-colcount={columns.length} aria-activedescendant={chosen < 0 ? undefined : `row-${chosen}`} onKeyDown={onKeyDown}
      >
        <div role="row" class="columns" aria-rowindex={1}>
          {columns.map((column) => <ColumnHead key={column} column={column} explorer={explorer} />)}
        </div>
        <div ref={scroller} class="lines" role="rowgroup" tabIndex={-1}>
          <div role="presentation" class="virtual" style={{ height: `${virtual.getTotalSize()}px` }}>
            {lines.map(({ index, start }) => {
              const row = rows[index];
              if (row === undefined) return null;
              const key = index % lines.length; // a line that leaves on one side comes again on the other, and no element is made
              if (row.kind === 'group') return <GroupLine key={`group ${key}`} row={row} index={index} start={start} columns={columns.length} />;
              return <ObjectLine key={key} row={row} index={index} start={start} isChosen={index === chosen} explorer={explorer} isSearching={isSearching} onMenu={openMenu} />;
            })}
          </div>
        </div>
      </div>
      {rows.length > 0 || !explorer.isLoaded.value ? null : <p class="empty">{emptyText(explorer, isSearching)}</p>}
      {menu.value === undefined ? null : (
        <ObjectMenu
          explorer={explorer} {...menu.value}
          onClose={() => {
            menu.value = undefined;
            focusMain();
          }}
        />
      )}
    </div>
  );
}

const TITLES: Readonly<Record<Column, string>> = { name: 'Name', type: 'Type', target: 'Link target', directory: 'In directory' };

function ColumnHead({ column, explorer }: { column: Column; explorer: Explorer }) {
  const { by, descending } = explorer.sorting.value;
  const isSorted = by === column;
  return (
    <div role="columnheader" class={`column ${column}`} aria-sort={isSorted ? (descending ? 'descending' : 'ascending') : 'none'}>
      <button type="button" onClick={() => explorer.sortBy(column)}>
        {TITLES[column]}
        <span aria-hidden="true" class="order">{isSorted ? (descending ? '▼' : '▲') : ''}</span>
      </button>
    </div>
  );
}

function GroupLine({ row, index, start, columns }: { row: Extract<ListRow, { kind: 'group' }>; index: number; start: number; columns: number }) {
  return (
    <div role="row" class="line group" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)` }}>
      <div role="gridcell" class="cell" aria-colspan={columns}>
        <Icon name={row.type} />
        <span class="label">{row.type}</span>
        <span class="count">{formatCount(row.count)}</span>
      </div>
    </div>
  );
}

interface ObjectLineProps {
  row: Extract<ListRow, { kind: 'object' }>;
  index: number;
  start: number;
  isChosen: boolean;
  isSearching: boolean;
  explorer: Explorer;
  onMenu: (object: TreeObject, x: number, y: number) => void;
}

function ObjectLine({ row: { object, name }, index, start, isChosen, isSearching, explorer, onMenu }: ObjectLineProps) {
  const fullName = printable(object.name);
  const lead = object.type === 'SymbolicLink' ? leadOf(explorer.namespace, object) : undefined;
  const problem = lead !== undefined && 'problem' in lead ? lead.problem : undefined;
  return (
    <div
      id={`row-${index}`} role="row" class={`line ${isChosen ? 'chosen' : ''} ${explorer.isFresh(object.name) ? 'fresh' : ''}`} aria-rowindex={index + 2} aria-selected={isChosen}
      style={{ transform: `translateY(${start}px)` }}
      onClick={() => (explorer.chosen.value = object.name)} onDblClick={() => explorer.activate(object)}
      onContextMenu={(event) => {
        event.preventDefault();
        onMenu(object, event.clientX, event.clientY);
      }}
    >
      <div role="gridcell" class="cell name" title={fullName}><Icon name={object.type} /><span class="label">{isSearching ? <Marked text={name} found={explorer.searchText.value} /> : printable(name)}</span></div>
      <div role="gridcell" class="cell type">{object.type}</div>
      {isSearching ? <div role="gridcell" class="cell directory" title={fullName}>{printable(parentOf(object.name)!)}</div> : null}
      <div role="gridcell" class={`cell target ${problem === undefined ? '' : 'broken'}`} title={object.target === undefined ? undefined : printable(object.target)}>{targetText(object, problem)}</div>
    </div>
  );
}

function Marked({ text, found }: { text: string; found: string }) {
  const parts = marked(text, found);
  if (parts === undefined) return <>{printable(text)}</>;
  const [before, mark, after] = parts.map(printable);
  return <>{before}<mark>{mark}</mark>{after}</>;
}

function targetText({ target, unreadable }: TreeObject, problem: string | undefined): string {
  if (unreadable !== undefined) return formatProblem(unreadable);
  if (target === undefined) return '';
  return `${printable(target)}${problem === undefined ? '' : ` (leads ${problem})`}`;
}

function emptyText(explorer: Explorer, isSearching: boolean): string {
  if (isSearching) return 'Nothing has this in its name.';
  const unreadable = explorer.namespace.get(explorer.here.value)?.unreadable;
  return unreadable === undefined ? 'This directory is empty.' : `What is in this directory can't be shown: ${formatProblem(unreadable)}.`;
}

function type(typed: { text: string; at: number }, letter: string): string {
  const now = performance.now();
  typed.text = now - typed.at > TYPING ? letter : typed.text + letter;
  typed.at = now;
  return typed.text;
}
