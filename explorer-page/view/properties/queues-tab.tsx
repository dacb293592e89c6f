/** Where messages are at this moment: in the rings, taken and not received, asked and not answered; for the port, then for each connection. */
import { formatBytes, formatCount, formatProcess, formatRate } from '../../logic/format.js';
import { Meter, Tiles } from './parts.js';
import type { PortTabProps } from './properties-dialog.js';

/** So many connections are listed, those with the most to do first. */
const MOST = 100;

export function QueuesTab({ port, rates }: PortTabProps) {
  const { totals, backlog, connections } = port;
  const rate = (perSecond: number | undefined): string | undefined => (perSecond === undefined ? undefined : formatRate(perSecond));
  const busy = connections
    .map(({ id, client, server }) => ({ id, client, server, load: loadOf(client.outbox) + loadOf(server.outbox) }))
    .toSorted((a, b) => b.load - a.load)
    .slice(0, MOST);
  return (
    <>
      <Tiles
        tiles={[
          { title: 'Client to server', value: formatCount(totals.clientToServer.messages), note: rate(rates.clientToServer) },
          { title: 'Server to client', value: formatCount(totals.serverToClient.messages), note: rate(rates.serverToClient) },
          { title: 'Bytes', value: formatBytes(totals.clientToServer.bytes + totals.serverToClient.bytes), note: rates.bytesPerSecond === undefined ? undefined : `${formatBytes(Math.round(rates.bytesPerSecond))}/s` },
          { title: 'Pending requests', value: formatCount(totals.pendingRequests) },
          { title: 'Taken, not received', value: formatCount(totals.queuedMessages) },
          { title: 'Unread in rings', value: formatBytes(totals.unreadBytes) },
          { title: 'Views outstanding', value: formatCount(totals.viewsOutstanding) },
          { title: 'Handles outstanding', value: formatCount(totals.handlesOutstanding) },
          { title: 'Bells rung', value: formatCount(totals.bellsRung) },
          { title: 'Waiting to connect', value: backlog === undefined ? 'not visible' : formatCount(backlog.waiting), note: backlog === undefined ? undefined : `at most ${formatCount(backlog.limit)}`, isBad: (backlog?.waiting ?? 0) > 0 },
        ]}
      />
      {busy.length === 0 ? <p class="remark">No connection.</p> : (
        <div class="scrolling" tabIndex={0} role="region" aria-label="Queues of connections">
          <table class="table">
            <caption>{connections.length > MOST ? `The ${MOST} connections with the most in their queues, of ${formatCount(connections.length)}` : 'Connections'}</caption>
            <thead>
              <tr><th scope="col">Client</th><th scope="col">Requests unread</th><th scope="col">Replies unread</th><th scope="col" class="number">Pending</th><th scope="col" class="number">Server queue</th><th scope="col" class="number">Client queue</th></tr>
            </thead>
            <tbody>
              {busy.map(({ id, client, server }) => (
                <tr key={id}>
                  <td class="command" title={client.process?.command}>{client.process === undefined ? `socket ${client.socket}` : formatProcess(client.process)}</td>
                  <td><Meter usage={usageOf(client.outbox)} label="Unread from the client" format={formatBytes} /></td>
                  <td><Meter usage={usageOf(server.outbox)} label="Unread from the server" format={formatBytes} /></td>
                  <td class="number">{client.outbox === undefined ? '' : formatCount(client.outbox.pendingRequests)}</td>
                  <td class="number">{server.outbox === undefined ? '' : formatCount(server.outbox.queuedMessages)}</td>
                  <td class="number">{client.outbox === undefined ? '' : formatCount(client.outbox.queuedMessages)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

type Outbox = PortTabProps['port']['connections'][number]['client']['outbox'];

function usageOf(outbox: Outbox): { used: number; limit: number } | undefined {
  return outbox === undefined ? undefined : { used: outbox.ring.unread, limit: outbox.ring.bytes };
}

function loadOf(outbox: Outbox): number {
  return outbox === undefined ? 0 : outbox.ring.unread + outbox.pendingRequests + outbox.queuedMessages;
}
