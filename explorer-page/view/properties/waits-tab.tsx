/** Who waits for a reply over this port, for which message, on whom, and since when. */
import type { Wait } from '../../../src/explorer/model.js';
import { formatSpan } from '../../logic/format.js';
import type { PortTabProps } from './properties-dialog.js';

export function WaitsTab({ port: { waits, at } }: PortTabProps) {
  if (waits.length === 0) return <p class="remark">Nobody waits for a reply over this port.</p>;
  return (
    <div class="scrolling" tabIndex={0} role="region" aria-label="Waits">
      <table class="table">
        <caption>Threads that wait for a reply over this port</caption>
        <thead><tr><th scope="col">Who waits</th><th scope="col" class="number">Thread</th><th scope="col">For</th><th scope="col">Whose reply</th><th scope="col" class="number">Thread</th><th scope="col" class="number">Since</th></tr></thead>
        <tbody>
          {waits.map((wait) => (
            <tr key={`${wait.thread.key} ${wait.connection ?? ''}`} title={wait.text}>
              <td class="command">{wait.thread.pid} {wait.thread.command}</td>
              <td class="number">{wait.thread.tid}</td>
              <td>{whatOf(wait)}</td>
              <td class="command">{wait.on === undefined ? 'not visible' : `${wait.on.pid} ${wait.on.command}`}</td>
              <td class="number">{wait.on?.tid ?? ''}</td>
              <td class="number some">{formatSpan(Date.parse(at) - Date.parse(wait.since))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function whatOf({ for: what, messageId, event }: Wait): string {
  if (what === 'event') return event === undefined ? 'an event' : `event ${event}`;
  return messageId === undefined ? 'a reply' : `message ${messageId}`;
}
