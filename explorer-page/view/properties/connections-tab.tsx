/** A port's connections with both ends. The table says who and how much; of the one that is chosen, everything is shown below. */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { printable } from '../../../src/base/printable.js';
import type { ConnectionDetails, ConnectionEnd } from '../../../src/explorer/model.js';
import { formatAccount, formatBytes, formatCount, formatMicroseconds, formatProcess, formatSpan, formatTime, plural } from '../../logic/format.js';
import { useVirtual } from '../virtual.js';
import { Facts, Meter, seen, State } from './parts.js';
import type { PortTabProps } from './properties-dialog.js';

const HEIGHT = 28;

export function ConnectionsTab({ port }: PortTabProps) {
  const chosen = useSignal<string | undefined>(undefined);
  const scroller = useRef<HTMLDivElement>(null);
  const { connections, totals } = port;
  const virtual = useVirtual({ count: connections.length, height: HEIGHT, scroller });
  const at = Math.max(0, connections.findIndex(({ id }) => id === chosen.value));
  const shown = connections[at];
  const choose = (index: number): void => {
    const next = Math.max(0, Math.min(connections.length - 1, index));
    chosen.value = connections[next]?.id;
    virtual.scrollToIndex(next);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 6, PageUp: at - 6, Home: 0, End: connections.length - 1 };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  };
  return (
    <>
      <p class="summary">{totals.connections === undefined ? 'Connections are not visible' : plural(totals.connections, 'connection')}{(totals.hidden ?? 0) === 0 ? '' : `, of ${formatCount(totals.hidden)} the memory can't be looked at`}</p>
      {connections.length === 0 ? null : (
        <div class="connections" role="grid" aria-label="Connections" aria-rowcount={connections.length + 1} tabIndex={0} aria-activedescendant={`connection-${at}`} onKeyDown={onKeyDown}>
          <div role="row" class="connections-head" aria-rowindex={1}>
            {['Client', 'User', 'For', 'Asked', 'Answered', 'Pending'].map((title) => <div key={title} role="columnheader">{title}</div>)}
          </div>
          <div ref={scroller} role="rowgroup" class="connections-lines" tabIndex={-1}>
            <div role="presentation" class="virtual" style={{ height: `${virtual.getTotalSize()}px` }}>
              {virtual.getVirtualItems().map(({ index, start }) => {
                const connection = connections[index];
                return connection === undefined ? null : <Line key={connection.id} connection={connection} index={index} start={start} isChosen={index === at} at={port.at} onChoose={() => choose(index)} />;
              })}
            </div>
          </div>
        </div>
      )}
      {shown === undefined ? null : <Connection connection={shown} />}
    </>
  );
}

function Line({ connection: { client, server, since }, index, start, isChosen, at, onChoose }: { connection: ConnectionDetails; index: number; start: number; isChosen: boolean; at: string; onChoose: () => void }) {
  const user = client.process?.user ?? client.user;
  const pending = (client.outbox?.pendingRequests ?? 0) + (server.outbox?.pendingRequests ?? 0);
  return (
    <div id={`connection-${index}`} role="row" class={isChosen ? 'chosen' : ''} aria-rowindex={index + 2} aria-selected={isChosen} style={{ transform: `translateY(${start}px)` }} onClick={onChoose}>
      <div role="gridcell" title={client.process === undefined ? undefined : formatProcess(client.process)}>{client.process === undefined ? 'not visible' : formatProcess(client.process)}</div>
      <div role="gridcell">{user === undefined ? '' : formatAccount(user)}</div>
      <div role="gridcell" class="number">{since === undefined ? '' : formatSpan(Date.parse(at) - Date.parse(since))}</div>
      <div role="gridcell" class="number">{seen(client.outbox?.sent.messages)}</div>
      <div role="gridcell" class="number">{seen(server.outbox?.sent.messages)}</div>
      <div role="gridcell" class={`number ${pending > 0 ? 'some' : ''}`}>{client.outbox === undefined && server.outbox === undefined ? 'not visible' : formatCount(pending)}</div>
    </div>
  );
}

function Connection({ connection: { id, since, client, server, latency, problem } }: { connection: ConnectionDetails }) {
  return (
    <section class="connection" aria-label={`Connection ${id}`}>
      <h2>Connection {id}<small>{since === undefined ? '' : ` since ${formatTime(since)}`}{latency?.medianMicroseconds === undefined ? '' : `, median round trip ${formatMicroseconds(latency.medianMicroseconds)}`}</small></h2>
      {problem === undefined ? null : <p class="remark">{printable(problem)}</p>}
      <div class="ends">
        <End title="Client" end={client} />
        <End title="Server" end={server} />
      </div>
    </section>
  );
}

function End({ title, end: { process, user, socket, outbox } }: { title: string; end: ConnectionEnd }) {
  return (
    <section class="end" aria-label={title}>
      <h3>{title}</h3>
      <Facts
        facts={[
          ['Process', process === undefined ? 'not visible' : <span key="process" title={printable(process.command)}>{formatProcess(process)}</span>],
          ['User', process === undefined ? (user === undefined ? undefined : formatAccount(user)) : formatAccount(process.user)],
          ['Process is', process === undefined ? undefined : <State key="state" state={process.state} />],
          ['Socket', String(socket)],
        ]}
      />
      {outbox === undefined ? <p class="remark">What this side says of itself can't be looked at.</p> : (
        <Facts
          facts={[
            ['Channel', <span key="channel" class={outbox.state === 'open' ? '' : 'state-bad'}>{outbox.state}</span>],
            ['Sent', `${plural(outbox.sent.messages, 'message')}, ${formatBytes(outbox.sent.bytes)}`],
            ['Received', plural(outbox.receivedMessages, 'message')],
            ['Unread in ring', <Meter key="ring" usage={outbox.ring.unread === undefined ? undefined : { used: outbox.ring.unread, limit: outbox.ring.bytes }} label={`${title}: unread bytes`} format={formatBytes} />],
            ['Waits for replies', formatCount(outbox.pendingRequests)],
            ['Owes replies', formatCount(outbox.unansweredRequests)],
            ['Taken, not received', formatCount(outbox.queuedMessages)],
            ['Pending quota', outbox.pendingQuota === undefined ? undefined : <Meter key="pending" usage={outbox.pendingQuota} label={`${title}: pending messages`} />],
            ['Views lent', outbox.views === undefined ? undefined : <Meter key="views" usage={outbox.views} label={`${title}: views lent`} />],
            ['Handles sent', outbox.handles === undefined ? undefined : formatCount(outbox.handles)],
            ['Late replies', formatCount(outbox.lateReplies)],
            ['Bells rung', formatCount(outbox.bellsRung)],
            ['Now', outbox.sleepsFor.length === 0 ? 'awake' : `asleep, rung for ${outbox.sleepsFor.join(' and ')}`],
            ['Takes', outbox.accepts.length === 0 ? 'plain messages' : `plain messages, ${outbox.accepts.join(', ')}`],
          ]}
        />
      )}
    </section>
  );
}
