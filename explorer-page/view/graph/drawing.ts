/**
 * The picture of the whole on the screen: Cytoscape draws what logic/picture.ts says, and keeps each process where it was, so that the eye finds it again a second
 * later. Only what came is placed: beside a process that it is connected with.
 */
import cytoscape from 'cytoscape';
import { printable } from '../../../src/base/printable.js';
import { leafOf } from '../../logic/names.js';
import type { Picture, PictureEdge, PictureNode } from '../../logic/picture.js';

export interface Chosen {
  node?: string;
  edge?: string;
}

/** Around everything, when all of it is shown. */
const PADDING = 24;
/** Where all is shown small, letters keep their size on the screen until they are so many times as large as usual beside the nodes. Of many nodes the labels would hide each other. */
const LARGEST_OF_FEW = 4;
const LARGEST_OF_MANY = 1.8;
const FEW = 40;

export class Drawing {
  readonly #graph: cytoscape.Core;
  #isFirst = true;
  #colour: (name: string) => string = () => '';
  #letters = 1;

  constructor(place: HTMLElement, onChosen: (chosen: Chosen) => void) {
    this.#graph = cytoscape({ container: place, minZoom: 0.1, maxZoom: 3, selectionType: 'single', boxSelectionEnabled: false });
    this.#graph.on('select', (event) => onChosen(event.target.isNode() ? { node: event.target.id() as string } : { edge: event.target.id() as string }));
    this.#graph.on('zoom', () => this.#scaleLetters());
    this.#graph.on('unselect', () => this.#graph.$(':selected').empty() && onChosen({}));
  }

  show({ nodes, edges }: Picture): void {
    const graph = this.#graph;
    const wanted = new Set([...nodes.map(({ id }) => id), ...edges.map(({ id }) => id)]);
    let isNew = false;
    graph.batch(() => {
      graph.elements().filter((element) => !wanted.has(element.id())).remove();
      for (const [index, node] of nodes.entries()) {
        const found = graph.getElementById(node.id);
        if (found.nonempty()) {
          found.data(dataOf(node)).classes(classesOf(node));
          continue;
        }
        isNew = true;
        graph.add({ group: 'nodes', data: { ...dataOf(node) }, classes: classesOf(node), position: this.#placeFor(node.id, index, nodes.length, edges) });
      }
      for (const edge of edges) {
        const found = graph.getElementById(edge.id);
        if (found.empty()) graph.add({ group: 'edges', data: edgeData(edge), classes: edgeClasses(edge) });
        else found.data(edgeData(edge)).classes(edgeClasses(edge));
      }
    });
    if (isNew) this.arrange();
  }

  /** Finds a place for everything, beginning from where it is. */
  arrange(fromTheStart = false): void {
    const graph = this.#graph;
    const isFirst = this.#isFirst || fromTheStart;
    this.#isFirst = false;
    const many = graph.nodes().length;
    if (many === 0) return;
    if (fromTheStart) graph.nodes().forEach((node, index) => void node.position(onCircle(index, many)));
    graph.layout({
      name: 'cose', animate: false, randomize: false, fit: false, componentSpacing: 80, nodeOverlap: 20, gravity: 1.2,
      nodeRepulsion: () => 9000, idealEdgeLength: () => 96, edgeElasticity: () => 120, numIter: many > 80 ? 250 : 800, nodeDimensionsIncludeLabels: true,
    }).run();
    if (isFirst) this.fit();
  }

  /** Shows all. Letters grow where it gets smaller, and so need more room in turn. */
  fit(): void {
    for (let turn = 0; turn < 4; turn++) this.#graph.fit(undefined, PADDING);
  }

  zoom(factor: number): void {
    const graph = this.#graph;
    graph.zoom({ level: graph.zoom() * factor, renderedPosition: { x: graph.width() / 2, y: graph.height() / 2 } });
  }

  pan(x: number, y: number): void {
    this.#graph.panBy({ x, y });
  }

  choose(id: string | undefined): void {
    const graph = this.#graph;
    graph.$(':selected').unselect();
    if (id === undefined) return;
    const element = graph.getElementById(id);
    element.select();
    const box = element.renderedBoundingBox({});
    if (box.x1 < 0 || box.y1 < 0 || box.x2 > graph.width() || box.y2 > graph.height()) graph.center(element);
  }

  /** Takes the colours of the page as they are now. */
  paint(place: HTMLElement): void {
    const style = getComputedStyle(place);
    this.#colour = (name) => style.getPropertyValue(name).trim();
    this.#graph.style(styleOf(this.#colour, this.#letters));
  }

  resize(): void {
    this.#graph.resize();
  }

  destroy(): void {
    this.#graph.destroy();
  }

  #scaleLetters(): void {
    const largest = this.#graph.nodes().length > FEW ? LARGEST_OF_MANY : LARGEST_OF_FEW;
    const letters = Math.max(1, Math.min(largest, 1 / this.#graph.zoom()));
    if (Math.abs(letters - this.#letters) < 0.02) return;
    this.#letters = letters;
    this.#graph.style(styleOf(this.#colour, letters));
  }

  #placeFor(id: string, index: number, many: number, edges: readonly PictureEdge[]): cytoscape.Position {
    for (const { source, target } of edges) {
      const other = source === id ? target : target === id ? source : undefined;
      const neighbour = other === undefined ? undefined : this.#graph.getElementById(other);
      if (neighbour === undefined || neighbour.empty()) continue;
      const { x, y } = neighbour.position();
      return { x: x + 90 * Math.cos(index * 2.4), y: y + 90 * Math.sin(index * 2.4) };
    }
    return onCircle(index, many);
  }
}

function onCircle(index: number, many: number): cytoscape.Position {
  const [angle, radius] = [(index / many) * 2 * Math.PI, 40 + many * 14];
  return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
}

function dataOf({ id, label, isServer, ports }: PictureNode): Record<string, unknown> {
  return { id, label, size: isServer ? 40 + 6 * Math.min(6, ports.length) : 30 };
}

function classesOf({ isServer, isStuck, waiting, pid }: PictureNode): string {
  return [isServer ? 'server' : 'client', isStuck ? 'stuck' : '', waiting > 0 ? 'waiting' : '', pid === undefined ? 'hidden-process' : ''].filter(Boolean).join(' ');
}

function edgeData({ id, source, target, width, port, connections }: PictureEdge): Record<string, unknown> {
  const name = port === undefined ? '' : printable(leafOf(port));
  return { id, source, target, width, label: connections > 1 ? `${name} ×${connections}` : name };
}

function edgeClasses({ isWaiting, isInCycle }: PictureEdge): string {
  return [isWaiting ? 'waiting' : '', isInCycle ? 'cycle' : ''].filter(Boolean).join(' ');
}

function styleOf(colour: (name: string) => string, letters: number): cytoscape.StylesheetJson {
  const text = { color: colour('--text'), 'text-outline-color': colour('--panel'), 'text-outline-width': 2 * letters, 'font-size': 12 * letters, 'font-family': 'system-ui, sans-serif', 'min-zoomed-font-size': 7 };
  return [
    { selector: 'node', style: { ...text, label: 'data(label)', 'text-wrap': 'wrap', 'text-valign': 'bottom', 'text-margin-y': 5, width: 'data(size)', height: 'data(size)', 'background-color': colour('--node'), 'border-width': 2, 'border-color': colour('--node-edge') } },
    { selector: 'node.server', style: { shape: 'octagon', 'background-color': colour('--accent-soft'), 'border-color': colour('--accent') } },
    { selector: 'node.hidden-process', style: { 'border-style': 'dashed' } },
    { selector: 'node.waiting', style: { 'border-color': colour('--bad') } },
    { selector: 'node.stuck', style: { 'border-color': colour('--bad'), 'border-width': 5 } },
    { selector: 'edge', style: { ...text, color: colour('--text-2'), 'font-size': 11 * letters, label: 'data(label)', 'text-rotation': 'autorotate', width: 'data(width)', 'curve-style': 'bezier', 'control-point-step-size': 36, 'line-color': colour('--edge'), 'target-arrow-color': colour('--edge'), 'target-arrow-shape': 'triangle', 'arrow-scale': 0.9, 'min-zoomed-font-size': 8 } },
    { selector: 'edge.waiting', style: { 'line-color': colour('--bad'), 'target-arrow-color': colour('--bad'), color: colour('--bad-text'), 'line-style': 'dashed', 'z-index': 2 } },
    { selector: 'edge.cycle', style: { 'line-style': 'solid', 'underlay-color': colour('--bad'), 'underlay-opacity': 0.25, 'underlay-padding': 6, 'z-index': 3 } },
    { selector: ':selected', style: { 'overlay-color': colour('--accent'), 'overlay-opacity': 0.2, 'overlay-padding': 6 } },
    { selector: ':active', style: { 'overlay-opacity': 0.12 } },
  ] as cytoscape.StylesheetJson;
}
