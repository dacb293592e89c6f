/**
 * The picture of the whole: processes, their connections, and who waits for whom. The drawing is for the eye; beside it stands the same in
 * words, in lists whose lines can be chosen, so that nothing is told by the drawing alone.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { printable } from '../../../src/base/printable.js';
import type { Graph } from '../../../src/explorer/model.js';
import { formatBytes, formatCount, formatRate, plural } from '../../logic/format.js';
import { type Picture, type PictureEdge, pictureOf, shortCommand } from '../../logic/picture.js';
import type { Explorer } from '../explorer.js';
import { focusMainFromNowhere, PICTURE } from '../focus.js';
import { Icon } from '../icons.js';
import { State } from '../properties/parts.js';
import { type Chosen, Drawing } from './drawing.js';

const PAN = 60;

export function GraphView({ explorer }: { explorer: Explorer }) {
  const place = useRef<HTMLDivElement>(null);
  const drawing = useRef<Drawing | undefined>(undefined);
  const seen = useSignal<{ graph: Graph; picture: Picture } | undefined>(undefined);
  const chosen = useSignal<Chosen>({});
  const isDark = explorer.isDark.value;

  useEffect(() => {
    const drawn = new Drawing(place.current!, (what) => (chosen.value = what));
    drawing.current = drawn;
    drawn.paint(place.current!);
    const sizes = new ResizeObserver(() => drawn.resize());
    sizes.observe(place.current!);
    const ending = new AbortController();
    void explorer.api.listen({ graph: true }, {
      signal: ending.signal,
      onEvent: ({ event, data }) => {
        if (event !== 'graph') return;
        const picture = pictureOf(data, seen.peek()?.graph);
        seen.value = { graph: data, picture };
        explorer.graph.value = data;
        drawn.show(picture);
      },
    });
    focusMainFromNowhere();
    return () => {
      ending.abort();
      explorer.graph.value = undefined;
      sizes.disconnect();
      drawn.destroy();
    };
  }, [explorer]);
  useEffect(() => drawing.current?.paint(place.current!), [isDark]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const graph = drawing.current!;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => graph.pan(PAN, 0), ArrowRight: () => graph.pan(-PAN, 0), ArrowUp: () => graph.pan(0, PAN), ArrowDown: () => graph.pan(0, -PAN),
      '+': () => graph.zoom(1.25), '-': () => graph.zoom(0.8), '0': () => graph.fit(),
    };
    const action = event.ctrlKey || event.altKey || event.metaKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };
  const found = seen.value;
  return (
    <div class="graph">
      <div class="graph-picture">
        <div
          ref={place} class="graph-place" id={PICTURE} tabIndex={0} role="application" aria-roledescription="picture" aria-label={`Processes and connections${found === undefined ? '' : `: ${plural(found.graph.processes.length, 'process', 'processes')}, ${plural(found.graph.connections.length, 'connection')}, ${plural(found.graph.waits.length, 'wait')}`}. Arrow keys move, plus and minus zoom, zero shows all. The list beside it tells the same.`}
          onKeyDown={onKeyDown}
        />
        {/* Cytoscape would put a style element of this id into the page, which the policy forbids; graph.css says all there is to say. */}
        <span id="__________cytoscape_stylesheet" hidden />
        {found !== undefined && found.picture.nodes.length === 0 ? <p class="empty">No process holds a port or a connection.</p> : null}
      </div>
      <div class="graph-foot">
        <Legend />
        <div class="graph-tools">
          <button type="button" class="tool" title="Larger (+)" aria-label="Larger" onClick={() => drawing.current?.zoom(1.25)}>+</button>
          <button type="button" class="tool" title="Smaller (-)" aria-label="Smaller" onClick={() => drawing.current?.zoom(0.8)}>−</button>
          <button type="button" class="tool wide" title="Show all (0)" onClick={() => drawing.current?.fit()}>Fit</button>
          <button type="button" class="tool wide" onClick={() => drawing.current?.arrange(true)}>Arrange</button>
        </div>
      </div>
      <aside class="graph-side" aria-label="The whole in words">
        {found === undefined ? <p class="placeholder">Loading …</p> : <Words explorer={explorer} graph={found.graph} picture={found.picture} chosen={chosen.value} onChoose={(id) => drawing.current?.choose(id)} />}
      </aside>
    </div>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li><i class="server" />serves a port</li>
      <li><i class="client" />client only</li>
      <li><i class="thin" /><i class="thick" />little, much traffic</li>
      <li><i class="wait" />waits for a reply</li>
      <li><i class="cycle" />deadlock</li>
    </ul>
  );
}

function Words({ explorer, graph, picture, chosen, onChoose }: { explorer: Explorer; graph: Graph; picture: Picture; chosen: Chosen; onChoose: (id: string | undefined) => void }) {
  return (
    <>
      <p class="summary">{plural(graph.processes.length, 'process', 'processes')}, {plural(graph.connections.length, 'connection')}{graph.hiddenProcesses === 0 ? '' : `; ${plural(graph.hiddenProcesses, 'process', 'processes')} can't be looked at`}</p>
      <ChosenPart explorer={explorer} picture={picture} chosen={chosen} />
      {graph.cycles.length === 0 ? null : (
        <section class="cycles" role="alert">
          <h2>{plural(graph.cycles.length, 'deadlock')}</h2>
          <ul>{graph.cycles.map(({ text, threads }) => <li key={threads.join()}>{printable(text)}</li>)}</ul>
        </section>
      )}
      <section>
        <h2>Waits{graph.waits.length === 0 ? '' : ` (${formatCount(graph.waits.length)})`}</h2>
        {graph.waits.length === 0 ? <p class="remark">{graph.hiddenProcesses === 0 ? 'Nobody waits.' : 'No wait can be seen.'}</p> : <ul class="waits">{graph.waits.slice(0, 100).map((wait) => <li key={`${wait.thread.key} ${wait.connection ?? ''}`}>{printable(wait.text)}</li>)}</ul>}
      </section>
      <section>
        <h2>Processes</h2>
        <ul class="processes">
          {picture.nodes.map(({ id, label, pid, command, ports, waiting, isStuck }) => (
            <li key={id}>
              <button type="button" aria-pressed={chosen.node === id} title={command === undefined ? undefined : printable(command)} onClick={() => onChoose(chosen.node === id ? undefined : id)}>
                <b>{pid ?? ''}</b> {command === undefined ? label.replace('\n', ': ') : printable(shortCommand(command))}
                <small>{[ports.length > 0 ? plural(ports.length, 'port') : '', waiting > 0 ? 'waits' : '', isStuck ? 'stuck' : ''].filter(Boolean).join(', ')}</small>
              </button>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function ChosenPart({ explorer, picture, chosen }: { explorer: Explorer; picture: Picture; chosen: Chosen }) {
  const node = picture.nodes.find(({ id }) => id === chosen.node);
  const edge = picture.edges.find(({ id }) => id === chosen.edge);
  if (node === undefined && edge === undefined) return <p class="remark">Choose a process or a connection to read more of it.</p>;
  const edges = edge === undefined ? picture.edges.filter(({ source, target }) => source === node!.id || target === node!.id) : [edge];
  return (
    <section class="chosen-part" aria-live="polite">
      {node === undefined ? null : (
        <>
          <h2>{node.pid === undefined ? 'Processes that are not visible' : `Process ${node.pid}`}</h2>
          {node.command === undefined ? null : <p><code>{printable(node.command)}</code></p>}
          {node.state === undefined ? null : <p>It is <State state={node.state} />{node.waiting === 0 ? '.' : `, and ${plural(node.waiting, 'thread')} of it ${node.waiting === 1 ? 'waits' : 'wait'}.`}</p>}
          {node.ports.map((port) => <PortButton key={port} explorer={explorer} port={port} />)}
        </>
      )}
      {edges.map((each) => <EdgeWords key={each.id} explorer={explorer} edge={each} />)}
    </section>
  );
}

function EdgeWords({ explorer, edge: { source, target, port, connections, messagesPerSecond, bytesPerSecond, isWaiting, isInCycle } }: { explorer: Explorer; edge: PictureEdge }) {
  return (
    <div class={`edge-words ${isWaiting ? 'waiting' : ''}`}>
      <p>{source} → {target}{connections > 1 ? `, ${plural(connections, 'connection')}` : ''}{isInCycle ? ', deadlock' : isWaiting ? ', waits' : ''}</p>
      {port === undefined ? null : <p>{messagesPerSecond === undefined || bytesPerSecond === undefined ? 'Its traffic is not visible' : `${formatRate(messagesPerSecond)} messages, ${formatBytes(Math.round(bytesPerSecond))}/s`}</p>}
      {port === undefined ? null : <PortButton explorer={explorer} port={port} />}
    </div>
  );
}

function PortButton({ explorer, port }: { explorer: Explorer; port: string }) {
  return <button type="button" class="link-button port-button" title={`Properties of ${printable(port)}`} onClick={() => (explorer.properties.value = port)}><Icon name="ALPC Port" />{printable(port)}</button>;
}
