/** Where messages are at this moment: in the rings, taken and not received, asked and not answered; for the port, then for each connection. */
import type { Traffic } from '../../../src/explorer/model.js';
import { formatBytes, formatCount, formatProcess, formatRate, plural } from '../../logic/format.js';
import { Meter, seen, Tiles } from './parts.js';
import type { PortTabProps } from './properties-dialog.js';

/** So many connections are listed, those with the most to do first. */
const MOST = 100;

export function QueuesTab({ port, rates }: PortTabProps) {
  const { totals, backlog, connections } = port;
  const rate = (traffic: Traffic | undefined, perSecond: number | undefined): string | undefined => (traffic === undefined || perSecond === undefined ? undefined : formatRate(perSecond));
  const bytes = totals.clientToServer === undefined || totals.serverToClient === undefined ? undefined : totals.clientToServer.bytes + totals.serverToClient.bytes;
  const [hidden, all] = [totals.hidden ?? 0, totals.connections ?? 0];
  const busy = connections
    .map(({ id, client, server }) => ({ id, client, server, load: loadOf(client.outbox) + loadOf(server.outbox) }))
    .toSorted((a, b) => b.load - a.load)
    .slice(0, MOST);
  return (
    <>
      <Tiles
        tiles={[
          { title: 'Client to server', value: seen(totals.clientToServer?.messages), note: rate(totals.clientToServer, rates.clientToServer) },
          { title: 'Server to client', value: seen(totals.serverToClient?.messages), note: rate(totals.serverToClient, rates.serverToClient) },
          { title: 'Bytes', value: seen(bytes, formatBytes), note: bytes === undefined || rates.bytesPerSecond === undefined ? undefined : `${formatBytes(Math.round(rates.bytesPerSecond))}/s` },
          { title: 'Pending requests', value: seen(totals.pendingRequests) },
          { title: 'Taken, not received', value: seen(totals.queuedMessages) },
          { title: 'Unread in rings', value: seen(totals.unreadBytes, formatBytes) },
          { title: 'Views outstanding', value: seen(totals.viewsOutstanding) },
          { title: 'Handles outstanding', value: seen(totals.handlesOutstanding) },
          { title: 'Bells rung', value: seen(totals.bellsRung) },
          { title: 'Waiting to connect', value: seen(backlog?.waiting), note: backlog === undefined ? undefined : `at most ${formatCount(backlog.limit)}`, isBad: (backlog?.waiting ?? 0) > 0 },
        ]}
      />
      {hidden === 0 ? null : <p class="remark">{hidden === all ? 'What is in these connections' : `What is in ${formatCount(hidden)} of ${plural(all, 'connection')}`} can't be looked at, and is not counted here.</p>}
      {busy.length === 0 ? <p class="remark">{totals.connections === 0 ? 'No connection.' : 'No connection can be seen.'}</p> : (
        <div class="scrolling" tabIndex={0} role="region" aria-label="Queues of connections">
          <table class="table">
            <caption>{connections.length > MOST ? `The ${MOST} connections with the most in their queues, of ${formatCount(connections.length)}` : 'Connections'}</caption>
            <thead>
              <tr><th scope="col">Client</th><th scope="col">Requests unread</th><th scope="col">Replies unread</th><th scope="col" class="number">Pending</th><th scope="col" class="number">Server queue</th><th scope="col" class="number">Client queue</th></tr>
            </thead>
            <tbody>
              {busy.map(({ id, client, server }) => (
                <tr key={id}>
                  <td class="command" title={client.process === undefined ? undefined : formatProcess(client.process)}>{client.process === undefined ? `socket ${client.socket}` : formatProcess(client.process)}</td>
                  <td><Meter usage={usageOf(client.outbox)} label="Unread from the client" format={formatBytes} /></td>
                  <td><Meter usage={usageOf(server.outbox)} label="Unread from the server" format={formatBytes} /></td>
                  <td class="number">{seen(client.outbox?.pendingRequests)}</td>
                  <td class="number">{seen(server.outbox?.queuedMessages)}</td>
                  <td class="number">{seen(client.outbox?.queuedMessages)}</td>
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
  return outbox?.ring.unread === undefined ? undefined : { used: outbox.ring.unread, limit: outbox.ring.bytes };
}

function loadOf(outbox: Outbox): number {
  return outbox === undefined ? 0 : (outbox.ring.unread ?? 0) + outbox.pendingRequests + outbox.queuedMessages;
}
