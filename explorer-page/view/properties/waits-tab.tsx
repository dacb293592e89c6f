/** Who waits for a reply over this port, for which message, on whom, and since when. */
import { printable } from '../../../src/base/printable.js';
import type { PortDetails, Wait } from '../../../src/explorer/model.js';
import { formatProcess, formatSpan } from '../../logic/format.js';
import type { PortTabProps } from './properties-dialog.js';

const NOT_ALL = "No wait for a reply over this port can be seen. Not all who are connected can be looked into, so there may be some.";

export function WaitsTab({ port }: PortTabProps) {
  const { waits, at } = port;
  if (waits === undefined || waits.length === 0) return <p class="remark">{isAllSeen(port) ? 'Nobody waits for a reply over this port.' : NOT_ALL}</p>;
  return (
    <div class="scrolling" tabIndex={0} role="region" aria-label="Waits">
      <table class="table">
        <caption>Threads that wait for a reply over this port</caption>
        <thead><tr><th scope="col">Who waits</th><th scope="col" class="number">Thread</th><th scope="col">For</th><th scope="col">Whose reply</th><th scope="col" class="number">Thread</th><th scope="col" class="number">Since</th></tr></thead>
        <tbody>
          {waits.map((wait) => (
            <tr key={`${wait.thread.key} ${wait.connection ?? ''}`} title={printable(wait.text)}>
              <td class="command">{formatProcess(wait.thread)}</td>
              <td class="number">{wait.thread.tid}</td>
              <td>{whatOf(wait)}</td>
              <td class="command">{wait.on === undefined ? 'not visible' : formatProcess(wait.on)}</td>
              <td class="number">{wait.on?.tid ?? ''}</td>
              <td class="number some">{formatSpan(Date.parse(at) - Date.parse(wait.since))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Whether each thread that could wait over this port would be seen to wait. */
function isAllSeen({ connections, totals, waits }: PortDetails): boolean {
  return waits !== undefined && totals.hidden === 0 && connections.every(({ client, server }) => client.process !== undefined && server.process !== undefined);
}

function whatOf({ for: what, messageId, event }: Wait): string {
  if (what === 'event') return event === undefined ? 'an event' : `event ${printable(event)}`;
  return messageId === undefined ? 'a reply' : `message ${messageId}`;
}
