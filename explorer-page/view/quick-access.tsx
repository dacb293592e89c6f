/** Names that the user wants at hand, above the tree. One that is not there now stays, and says so: servers come back. */
import { printable } from '../../src/base/printable.js';
import { leafOf } from '../logic/names.js';
import type { Explorer } from './explorer.js';
import { focusMain } from './focus.js';
import { Icon } from './icons.js';

export function QuickAccess({ explorer }: { explorer: Explorer }) {
  const names = explorer.quickAccess.value;
  if (names.length === 0) return null;
  return (
    <section class="quick" aria-labelledby="quick-title">
      <h2 id="quick-title">Quick access</h2>
      <ul>
        {names.map((name) => {
          const object = explorer.namespace.get(name);
          const isHere = explorer.view.value === 'objects' && !explorer.isSearching.value && (explorer.chosen.value ?? explorer.here.value) === name;
          return (
            <li key={name} class={isHere ? 'here' : ''}>
              <button type="button" class="quick-name" title={printable(name)} disabled={object === undefined} aria-current={isHere ? 'true' : undefined} onClick={() => explorer.go(name)}>
                <Icon name={object?.type ?? 'Unknown'} />
                <span>{printable(leafOf(name))}</span>
              </button>
              <button type="button" class="quick-remove" title="Remove from quick access" aria-label={`Remove ${printable(name)} from quick access`} onClick={() => remove(explorer, name)}><Icon name="close" /></button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** The button goes with the line. */
function remove(explorer: Explorer, name: string): void {
  explorer.togglePin(name);
  focusMain();
}
