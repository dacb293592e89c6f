/** The bar above: where one has been, where one is, what can be done with what is chosen, and the search over the whole tree. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { printable } from '../../src/base/printable.js';
import type { ObjectType, TreeObject } from '../../src/explorer/model.js';
import { TYPES } from '../logic/list-rows.js';
import { ancestorsOf, leafOf, ROOT } from '../logic/names.js';
import type { Theme } from '../logic/settings.js';
import type { Explorer } from './explorer.js';
import { focusMain } from './focus.js';
import { Icon, type IconName } from './icons.js';

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { system: 'dark', dark: 'light', light: 'system' };
const THEMES: Readonly<Record<Theme, string>> = { system: 'as the system', dark: 'dark', light: 'light' };

export function Toolbar({ explorer }: { explorer: Explorer }) {
  const isGraph = explorer.view.value === 'graph';
  const theme = explorer.theme.value;
  const chosen: TreeObject | undefined = isGraph ? undefined : (explorer.chosenObject.value ?? explorer.namespace.get(explorer.here.value));
  const isPinned = chosen !== undefined && explorer.isPinned(chosen.name);
  return (
    <header class="bar">
      <h1 class="unseen">alpc explorer</h1>
      <div class="bar-group">
        <Tool icon="back" text="Back" keys="Alt+Left" onClick={() => history.back()} />
        <Tool icon="up" text="Up" keys="Backspace" isDisabled={isGraph || explorer.here.value === ROOT} onClick={() => explorer.up()} />
        <Tool icon="refresh" text="Refresh" keys="F5" onClick={() => void explorer.refresh()} />
      </div>
      <Address explorer={explorer} />
      <div class="bar-group">
        <Tool icon="copy" text="Copy name" keys="Ctrl+C" isDisabled={chosen === undefined} onClick={() => void explorer.copy(leafOf(chosen!.name))} />
        <Tool icon="go" text="Go to the link's target" keys="Enter" isDisabled={chosen?.type !== 'SymbolicLink'} onClick={() => explorer.goToTarget(chosen!)} />
        <Tool icon={isPinned ? 'unpin' : 'pin'} text={isPinned ? 'Remove from quick access' : 'Add to quick access'} isPressed={isPinned} isDisabled={chosen === undefined} onClick={() => explorer.togglePin(chosen!.name)} />
        <Tool icon="info" text="Properties" keys="Alt+Enter" isDisabled={chosen === undefined} onClick={() => (explorer.properties.value = chosen!.name)} />
      </div>
      <SearchFields explorer={explorer} />
      <div class="bar-group">
        <Tool icon="groups" text="Group by type" isPressed={explorer.grouped.value} isDisabled={isGraph} onClick={() => explorer.setGrouped(!explorer.grouped.value)} />
        <Tool icon={isGraph ? 'list' : 'graph'} text={isGraph ? 'Show the objects' : 'Show the whole: processes and connections'} onClick={() => explorer.showView(isGraph ? 'objects' : 'graph')} />
        <Tool icon="theme" text={`Colours: ${THEMES[theme]}`} onClick={() => explorer.setTheme(NEXT_THEME[theme])} />
      </div>
    </header>
  );
}

function Tool({ icon, text, keys, isDisabled = false, isPressed, onClick }: { icon: IconName; text: string; keys?: string; isDisabled?: boolean; isPressed?: boolean; onClick: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (isDisabled && document.activeElement === button.current) focusMain();
  }, [isDisabled]);
  return (
    <button ref={button} type="button" class="tool" title={keys === undefined ? text : `${text} (${keys})`} aria-label={text} aria-pressed={isPressed} disabled={isDisabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

/** The way to where one is; each part of it leads there. */
function Address({ explorer }: { explorer: Explorer }) {
  if (explorer.view.value === 'graph') return <div class="address"><Icon name="graph" /><span class="address-last">The whole: processes, connections, waits</span></div>;
  if (explorer.isSearching.value) return <div class="address"><Icon name="search" /><span class="address-last">Found in the whole tree</span></div>;
  const here = explorer.here.value;
  return (
    <nav class="address" aria-label="Where you are">
      <Icon name="Directory" />
      <ol>
        {[...ancestorsOf(here), here].map((name) => (
          <li key={name}><button type="button" aria-current={name === here ? 'location' : undefined} title={printable(name)} onClick={() => explorer.go(name)}>{printable(leafOf(name))}</button></li>
        ))}
      </ol>
    </nav>
  );
}

function SearchFields({ explorer }: { explorer: Explorer }) {
  const onText = (text: string): void => {
    explorer.view.value = 'objects';
    explorer.searchText.value = text;
  };
  return (
    <search class="search">
      <Icon name="search" />
      <input
        id="search" type="search" placeholder="Search the tree (Ctrl+F)" aria-label="Search the whole tree by name" autocomplete="off" spellcheck={false} value={explorer.searchText.value}
        onInput={(event) => onText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') explorer.clearSearch();
          else if (event.key === 'ArrowDown' || event.key === 'Enter') toResults(explorer);
          else return;
          event.preventDefault();
        }}
      />
      <select
        aria-label="Search by type" value={explorer.searchType.value ?? ''}
        onChange={(event) => {
          explorer.view.value = 'objects';
          explorer.searchType.value = event.currentTarget.value === '' ? undefined : (event.currentTarget.value as ObjectType);
        }}
      >
        <option value="">All types</option>
        {TYPES.map((type) => <option key={type} value={type}>{type}</option>)}
      </select>
    </search>
  );
}

function toResults(explorer: Explorer): void {
  const first = explorer.rows.value.find((row) => row.kind === 'object');
  if (first?.kind === 'object') explorer.chosen.value = first.object.name;
  focusMain();
}
