/** The line below: where one is, how much is there, whose namespace it is, and whether what is shown is still true. */
import { printable } from '../../src/base/printable.js';
import { formatAccount, formatCount, plural } from '../logic/format.js';
import type { LinkState } from '../logic/api.js';
import type { Explorer } from './explorer.js';

const LINKS: Readonly<Record<LinkState, string>> = { connecting: 'Connecting …', live: 'Live', lost: 'Not connected: trying again', refused: 'Refused' };

export function StatusBar({ explorer }: { explorer: Explorer }) {
  const info = explorer.info.value;
  const link = explorer.link.value;
  return (
    <footer class="status">
      {explorer.view.value === 'graph' ? <OfThePicture explorer={explorer} /> : <OfTheList explorer={explorer} />}
      <output class="notice" aria-live="polite">{explorer.notice.value}</output>
      {info === undefined ? null : <span class="status-root" title={`alpc ${info.version}, process ${info.pid}`}>{`${formatAccount(info.user)} on ${printable(info.host)}: ${printable(info.root)}`}</span>}
      <span class={`link ${link}`} role="status">{LINKS[link]}</span>
    </footer>
  );
}

function OfTheList({ explorer }: { explorer: Explorer }) {
  const count = explorer.rows.value.reduce((sum, { kind }) => sum + (kind === 'object' ? 1 : 0), 0);
  const ports = explorer.namespace.countByType().get('ALPC Port') ?? 0;
  const isSearching = explorer.isSearching.value;
  return (
    <>
      <span class="status-path">{isSearching ? 'Search' : printable(explorer.chosen.value ?? explorer.here.value)}</span>
      <span>{isSearching ? `${formatCount(count)} found` : plural(count, 'object')}</span>
      <span class="status-total">{`${formatCount(explorer.namespace.size)} in all, ${plural(ports, 'port')}`}</span>
    </>
  );
}

function OfThePicture({ explorer }: { explorer: Explorer }) {
  const graph = explorer.graph.value;
  return (
    <>
      <span class="status-path">The whole</span>
      {graph === undefined ? null : <span class="status-total">{plural(graph.processes.length, 'process', 'processes')}, {plural(graph.connections.length, 'connection')}, {plural(graph.waits.length, 'wait')}</span>}
    </>
  );
}
