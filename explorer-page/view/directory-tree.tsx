/** The tree of directories, left. It is one stop of the tabulator key; within it the arrows lead, and what they reach is shown on the right. */
import { useEffect, useRef } from 'preact/hooks';
import { printable } from '../../src/base/printable.js';
import { moveInTree } from '../logic/tree-rows.js';
import type { Explorer } from './explorer.js';
import { focusMain } from './focus.js';
import { Icon } from './icons.js';
import { useVirtual } from './virtual.js';

const HEIGHT = 26;
const INDENT = 16;

export function DirectoryTree({ explorer }: { explorer: Explorer }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = explorer.treeRows.value;
  const here = explorer.here.value;
  const at = rows.findIndex(({ name }) => name === here);
  const virtual = useVirtual({ count: rows.length, height: HEIGHT, scroller });
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at);
  }, [virtual, at, here]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      focusMain();
      return;
    }
    const move = moveInTree(rows, here, event.key, Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / HEIGHT) - 1));
    if (move === undefined) return;
    event.preventDefault();
    if ('go' in move) explorer.go(move.go);
    else explorer.setOpen('open' in move ? move.open : move.close, 'open' in move);
  };
  return (
    <section class="tree-part" aria-labelledby="tree-title">
      <h2 id="tree-title">Namespace</h2>
      <div ref={scroller} class="tree" role="tree" id="tree" aria-labelledby="tree-title" tabIndex={0} aria-activedescendant={at < 0 ? undefined : `tree-${at}`} onKeyDown={onKeyDown}>
        <div role="presentation" class="virtual" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <div
                key={row.name} id={`tree-${index}`} role="treeitem" class={`tree-row ${index === at ? 'chosen' : ''}`} title={row.unreadable === undefined ? printable(row.name) : `${printable(row.name)}: not readable`}
                aria-level={row.level} aria-setsize={row.siblings} aria-posinset={row.position} aria-selected={index === at} aria-expanded={row.hasChildren ? row.isOpen : undefined}
                style={{ transform: `translateY(${start}px)`, paddingInlineStart: `${4 + (row.level - 1) * INDENT}px` }}
                onClick={() => explorer.go(row.name)} onDblClick={() => explorer.setOpen(row.name, !row.isOpen)}
              >
                <span
                  class={`twist ${row.hasChildren ? (row.isOpen ? 'open' : 'closed') : ''}`} aria-hidden="true"
                  onClick={(event) => {
                    event.stopPropagation();
                    if (row.hasChildren) explorer.setOpen(row.name, !row.isOpen);
                  }}
                />
                <Icon name="Directory" />
                <span class="label">{printable(row.label)}</span>
                {row.unreadable === undefined ? null : <span class="tag">no access</span>}
              </div>
            );
          })}
        </div>
      </div>
    </section>
  );
}
