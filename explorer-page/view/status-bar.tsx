/** The line below: where one is, how much is there, whose namespace it is, and whether what is shown is still true. */
import { formatAccount, formatCount, plural } from '../logic/format.js';
import type { LinkState } from '../logic/api.js';
import type { Explorer } from './explorer.js';

const LINKS: Readonly<Record<LinkState, string>> = { connecting: 'Connecting …', live: 'Live', lost: 'Not connected: trying again', refused: 'Refused' };

export function StatusBar({ explorer }: { explorer: Explorer }) {
  const info = explorer.info.value;
  const link = explorer.link.value;
  const count = explorer.rows.value.reduce((sum, { kind }) => sum + (kind === 'object' ? 1 : 0), 0);
  const ports = explorer.namespace.countByType().get('ALPC Port') ?? 0;
  const isSearching = explorer.isSearching.value;
  return (
    <footer class="status">
      <span class="status-path">{isSearching ? 'Search' : (explorer.chosen.value ?? explorer.here.value)}</span>
      <span>{isSearching ? `${formatCount(count)} found` : plural(count, 'object')}</span>
      <span class="status-total">{`${formatCount(explorer.namespace.size)} in all, ${plural(ports, 'port')}`}</span>
      <output class="notice" aria-live="polite">{explorer.notice.value}</output>
      {info === undefined ? null : <span class="status-root" title={`alpc ${info.version}, process ${info.pid}`}>{`${formatAccount(info.user)} on ${info.host}: ${info.root}`}</span>}
      <span class={`link ${link}`} role="status">{LINKS[link]}</span>
    </footer>
  );
}
