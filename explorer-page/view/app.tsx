/** The whole page: the bar above, the tree left, the list or the picture right, the status bar below, and the keys that count everywhere. */
import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { NARROWEST_TREE, WIDEST_TREE } from '../logic/settings.js';
import type { Explorer } from './explorer.js';
import { IconSymbols } from './icons.js';
import { ObjectList } from './object-list.js';
import { Lazy } from './lazy.js';
import { QuickAccess } from './quick-access.js';
import { StatusBar } from './status-bar.js';
import { Toolbar } from './toolbar.js';
import { DirectoryTree } from './directory-tree.js';

const SPLITTER_STEP = 20;

export function App({ explorer }: { explorer: Explorer }) {
  useEffect(() => {
    const ending = new AbortController();
    void explorer.listen(ending.signal);
    return () => ending.abort();
  }, [explorer]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => onGlobalKey(event, explorer);
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [explorer]);
  const theme = explorer.theme.value;
  useLayoutEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const paint = (): void => {
      const isDark = theme === 'dark' || (theme === 'system' && system.matches);
      document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
      explorer.isDark.value = isDark;
    };
    paint();
    system.addEventListener('change', paint);
    return () => system.removeEventListener('change', paint);
  }, [explorer, theme]);
  const isRefused = useComputed(() => explorer.link.value === 'refused').value;
  const width = useSignal(explorer.settings.data.treeWidth);
  return (
    <>
      <IconSymbols />
      {isRefused ? <Refused /> : (
        <div class="app" style={{ gridTemplateColumns: `${width.value}px minmax(0, 1fr)` }}>
          <Toolbar explorer={explorer} />
          <nav class="side" aria-label="Directories">
            <QuickAccess explorer={explorer} />
            <DirectoryTree explorer={explorer} />
            <Splitter width={width.value} onWidth={(value) => (width.value = value)} onDone={() => explorer.settings.change({ treeWidth: width.value })} />
          </nav>
          <main class="main" aria-label={explorer.view.value === 'graph' ? 'Picture of the whole' : 'Objects'}>
            {explorer.view.value === 'graph' ? <Lazy load={loadGraph} explorer={explorer} /> : <ObjectList explorer={explorer} />}
          </main>
          <StatusBar explorer={explorer} />
        </div>
      )}
      {explorer.properties.value === undefined ? null : <Lazy key={explorer.properties.value} load={loadProperties} explorer={explorer} name={explorer.properties.value} />}
    </>
  );
}

const loadGraph = async () => (await import('./graph/graph-view.js')).GraphView;
const loadProperties = async () => (await import('./properties/properties-dialog.js')).PropertiesDialog;

function Refused() {
  return (
    <main class="refused">
      <h1>This page needs its link</h1>
      <p>The explorer lets in only who has the link that <code>alpc explorer</code> printed when it was started. Open that link, or start the explorer again.</p>
    </main>
  );
}

function Splitter({ width, onWidth, onDone }: { width: number; onWidth: (width: number) => void; onDone: () => void }) {
  const drag = useRef<{ x: number; width: number } | undefined>(undefined);
  const set = (value: number): void => onWidth(Math.max(NARROWEST_TREE, Math.min(WIDEST_TREE, value)));
  return (
    <div
      class="splitter" role="separator" tabIndex={0} aria-orientation="vertical" aria-label="Width of the tree" aria-valuenow={Math.round(width)} aria-valuemin={NARROWEST_TREE} aria-valuemax={WIDEST_TREE}
      onPointerDown={(event) => {
        drag.current = { x: event.clientX, width };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => drag.current !== undefined && set(drag.current.width + event.clientX - drag.current.x)}
      onPointerUp={() => {
        drag.current = undefined;
        onDone();
      }}
      onKeyDown={(event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        set(width + (event.key === 'ArrowLeft' ? -SPLITTER_STEP : SPLITTER_STEP));
        onDone();
      }}
    />
  );
}

function onGlobalKey(event: KeyboardEvent, explorer: Explorer): void {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
  if (event.key === 'F5' && isPlain && !event.shiftKey) {
    event.preventDefault();
    void explorer.refresh();
  } else if (event.key.toLowerCase() === 'f' && (event.ctrlKey || event.metaKey) && !event.altKey && explorer.properties.value === undefined) {
    event.preventDefault();
    const field = document.getElementById('search');
    if (field instanceof HTMLInputElement) field.select();
  } else if (event.key === 'Backspace' && isPlain && !isTyping && explorer.properties.value === undefined) {
    event.preventDefault();
    explorer.up();
  }
}
