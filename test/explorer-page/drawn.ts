/**
 * What is really drawn in the page, not only that there is something to draw on: lines of the picture of the whole as Cytoscape has them, which it
 * keeps on its element, and pixels of a chart. Colours are told by the names that the page's styles give them.
 */
import type { Page } from 'playwright-core';

export interface DrawnLine {
  readonly source: string;
  readonly target: string;
  readonly width: number;
  /** 'edge', 'bad', or as the browser says it. */
  readonly colour: string;
  readonly style: string;
}

/** As `getComputedStyle` says a colour of the page's styles, in the page. */
const COLOUR_OF = `(name) => {
  const probe = document.body.appendChild(document.createElement('i'));
  probe.style.color = 'var(--' + name + ')';
  const colour = getComputedStyle(probe).color.replaceAll(' ', '');
  probe.remove();
  return colour;
}`;

export function drawnLines(page: Page): Promise<DrawnLine[]> {
  return page.evaluate<DrawnLine[]>(`(() => {
    const colourOf = ${COLOUR_OF};
    const names = new Map(['edge', 'bad'].map((name) => [colourOf(name), name]));
    return document.querySelector('.graph-place')._cyreg.cy.edges().map((edge) => {
      const colour = edge.style('line-color').replaceAll(' ', '');
      return { source: edge.source().id(), target: edge.target().id(), width: parseFloat(edge.style('width')), colour: names.get(colour) ?? colour, style: edge.style('line-style') };
    });
  })()`);
}

/** Pixels of about this colour in a chart; its label begins so. */
export function pixelsOf(page: Page, label: string, colour: string): Promise<number> {
  return page.evaluate<number>(`(() => {
    const [r, g, b] = (${COLOUR_OF})(${JSON.stringify(colour)}).match(/[\\d.]+/g).map(Number);
    const canvas = document.querySelector('[role=img][aria-label^=' + ${JSON.stringify(JSON.stringify(label))} + '] canvas');
    if (canvas === null) return -1;
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60) count++;
    return count;
  })()`);
}
