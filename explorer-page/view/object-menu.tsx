/** What can be done with an object: the menu of the right mouse button and of the menu key. Nothing here changes the namespace. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { printable } from '../../src/base/printable.js';
import type { TreeObject } from '../../src/explorer/model.js';
import { leafOf } from '../logic/names.js';
import type { Explorer } from './explorer.js';
import { Icon, type IconName } from './icons.js';

interface Action {
  text: string;
  keys?: string;
  icon: IconName;
  run: () => void;
}

export function ObjectMenu({ explorer, object, x, y, onClose }: { explorer: Explorer; object: TreeObject; x: number; y: number; onClose: () => void }) {
  const menu = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = menu.current!;
    element.style.left = `${Math.max(4, Math.min(x, innerWidth - element.offsetWidth - 4))}px`;
    element.style.top = `${Math.max(4, Math.min(y, innerHeight - element.offsetHeight - 4))}px`;
    items(element)[0]?.focus();
  }, [x, y]);
  useEffect(() => {
    const onPointer = (event: PointerEvent): void => {
      if (!menu.current!.contains(event.target as Node)) onClose();
    };
    addEventListener('pointerdown', onPointer);
    return () => removeEventListener('pointerdown', onPointer);
  });
  const onKeyDown = (event: KeyboardEvent): void => {
    event.stopPropagation();
    const all = items(menu.current!);
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'Escape' || event.key === 'Tab') onClose();
    else if (event.key === 'ArrowDown') all[(at + 1) % all.length]?.focus();
    else if (event.key === 'ArrowUp') all[(at + all.length - 1) % all.length]?.focus();
    else if (event.key === 'Home') all[0]?.focus();
    else if (event.key === 'End') all.at(-1)?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div ref={menu} class="menu" role="menu" aria-label={printable(leafOf(object.name))} onKeyDown={onKeyDown}>
      {actionsOf(explorer, object).map(({ text, keys, icon, run }) => (
        <button
          key={text} type="button" role="menuitem" tabIndex={-1}
          onClick={() => {
            onClose();
            run();
          }}
        >
          <Icon name={icon} /><span>{text}</span>{keys === undefined ? null : <kbd>{keys}</kbd>}
        </button>
      ))}
    </div>
  );
}

function actionsOf(explorer: Explorer, object: TreeObject): Action[] {
  const actions: Action[] = [];
  if (object.type === 'Directory') actions.push({ text: 'Open', keys: 'Enter', icon: 'Directory', run: () => explorer.go(object.name) });
  if (object.type === 'SymbolicLink') actions.push({ text: 'Go to target', keys: 'Enter', icon: 'go', run: () => explorer.goToTarget(object) });
  if (explorer.isSearching.value) actions.push({ text: 'Show where it stands', icon: 'go', run: () => explorer.go(object.name) });
  actions.push(
    { text: 'Copy name', keys: 'Ctrl+C', icon: 'copy', run: () => void explorer.copy(leafOf(object.name)) },
    { text: 'Copy full name', keys: 'Ctrl+Shift+C', icon: 'copy', run: () => void explorer.copy(object.name) },
    { text: explorer.isPinned(object.name) ? 'Remove from quick access' : 'Add to quick access', icon: explorer.isPinned(object.name) ? 'unpin' : 'pin', run: () => explorer.togglePin(object.name) },
    { text: 'Properties', keys: 'Alt+Enter', icon: 'info', run: () => (explorer.properties.value = object.name) },
  );
  return actions;
}

function items(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role=menuitem]')];
}
