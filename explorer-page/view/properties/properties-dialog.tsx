/**
 * The properties of one object, with the tabs that it has. They are live for as long as the dialog is open (use-details.ts), and of a port the line of latency is
 * drawn from the pictures that come. An object that goes while it is looked at stays on show as it was last, and the dialog says so.
 */
import { useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { printable } from '../../../src/base/printable.js';
import type { ObjectDetails, PortDetails } from '../../../src/explorer/model.js';
import type { LatencyHistory } from '../../logic/latency.js';
import { leafOf } from '../../logic/names.js';
import type { Rates } from '../../logic/rates.js';
import type { Explorer } from '../explorer.js';
import { focusMain } from '../focus.js';
import { Icon } from '../icons.js';
import { ConnectionsTab } from './connections-tab.js';
import { DetailsTab } from './details-tab.js';
import { LatencyTab } from './latency-tab.js';
import { QueuesTab } from './queues-tab.js';
import { SecurityTab } from './security-tab.js';
import { useDetails } from './use-details.js';
import { WaitsTab } from './waits-tab.js';

export interface TabProps {
  explorer: Explorer;
  details: ObjectDetails;
}

export interface PortTabProps extends TabProps {
  port: PortDetails;
  history: LatencyHistory;
  rates: Rates;
}

interface Tab {
  title: string;
  Part: ComponentType<PortTabProps> | ComponentType<TabProps>;
  isOfPorts?: boolean;
  count?: (details: ObjectDetails) => number | undefined;
}

const TABS: readonly Tab[] = [
  { title: 'Details', Part: DetailsTab },
  { title: 'Security', Part: SecurityTab },
  { title: 'Connections', Part: ConnectionsTab, isOfPorts: true, count: ({ port }) => port?.totals.connections },
  { title: 'Queues', Part: QueuesTab, isOfPorts: true },
  { title: 'Latency', Part: LatencyTab, isOfPorts: true },
  { title: 'Waits', Part: WaitsTab, isOfPorts: true, count: ({ port }) => port?.waits?.length },
];

export function PropertiesDialog({ explorer, name }: { explorer: Explorer; name: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { details, problem, isGone, history, rates } = useDetails(explorer, name);
  const at = useSignal(0);

  const isLeft = useRef(false);
  // All of it at once: 'close' comes some tasks after the dialog has closed, and keys pressed in between are meant for the page behind.
  const leave = (): void => {
    if (isLeft.current) return;
    isLeft.current = true;
    dialog.current!.close();
    explorer.properties.value = undefined;
    focusMain();
  };
  useEffect(() => {
    dialog.current!.showModal();
    dialog.current!.querySelector<HTMLElement>('[role=tab]')?.focus();
  }, []);

  const found = details.value;
  const type = found?.type ?? explorer.namespace.get(name)?.type ?? 'Unknown';
  const tabs = TABS.filter(({ isOfPorts }) => isOfPorts !== true || type === 'ALPC Port');
  const tab = tabs[Math.min(at.value, tabs.length - 1)]!;
  const Part = tab.Part as ComponentType<PortTabProps | TabProps>;
  return (
    <dialog
      ref={dialog} class="properties" aria-labelledby="properties-title"
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      onClose={leave} // a browser closes without asking when Escape comes twice
      onClick={(event) => event.target === dialog.current && leave()}
    >
      <div class="properties-box">
        <header>
          <Icon name={type} />
          <div>
            <h1 id="properties-title">{printable(leafOf(name))}</h1>
            <p title={printable(name)}>{printable(name)}</p>
          </div>
          {isGone.value ? <strong class="gone" role="status">This object is gone</strong> : null}
          <button type="button" class="tool" title="Close (Esc)" aria-label="Close" onClick={leave}><Icon name="close" /></button>
        </header>
        <div class="tabs" role="tablist" aria-label="Properties" onKeyDown={(event) => onTabKey(event, tabs.length, at)}>
          {tabs.map(({ title, count }, index) => {
            const number = found === undefined ? undefined : count?.(found);
            return (
              <button
                key={title} type="button" role="tab" id={`tab-${title}`} aria-controls="tab-panel" aria-selected={tab.title === title} tabIndex={tab.title === title ? 0 : -1}
                onClick={() => (at.value = index)}
              >
                {title}{number === undefined || number === 0 ? null : <> <span class={`badge ${title === 'Waits' ? 'bad' : ''}`}>{number}</span></>}
              </button>
            );
          })}
        </div>
        <div class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab.title}`} tabIndex={0}>
          {problem.value !== undefined ? <p class="problem" role="alert">{printable(problem.value)}</p> : null}
          {found === undefined ? (problem.value === undefined ? <p class="placeholder">Loading …</p> : null)
            : tab.isOfPorts === true && found.port === undefined ? <p class="placeholder">Nothing is known of this port.</p>
              : <Part explorer={explorer} details={found} port={found.port!} history={history} rates={rates.rates} />}
        </div>
      </div>
    </dialog>
  );
}

function onTabKey(event: KeyboardEvent, count: number, at: { value: number }): void {
  const steps: Record<string, number> = { ArrowRight: at.value + 1, ArrowLeft: at.value - 1 + count, Home: 0, End: count - 1 };
  const to = steps[event.key];
  if (to === undefined) return;
  event.preventDefault();
  at.value = to % count;
  (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role=tab]')[at.value]?.focus();
}
