/** The two charts of latency, drawn by uPlot in the page's colours. They are made anew when the colours change, and follow the width of their place. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCount, formatMicroseconds } from '../../logic/format.js';
import type { Buckets, LatencySample } from '../../logic/latency.js';

const HEIGHT = 190;

export function HistogramChart({ buckets, isDark }: { buckets: Buckets; isDark: boolean }) {
  const labels = buckets.map(({ upToMicroseconds }) => (upToMicroseconds === null ? 'more' : `≤ ${formatMicroseconds(upToMicroseconds)}`));
  const data: uPlot.AlignedData = [buckets.map((_, index) => index), buckets.map(({ count }) => count)];
  const make = (colours: Colours, width: number): uPlot.Options => ({
    width, height: HEIGHT, legend: { show: true }, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
    series: [
      { label: 'Round trip', value: (_, index) => (index === null ? '–' : labels[index] ?? '–') },
      { label: 'Calls', fill: colours.bar, stroke: colours.barEdge, width: 1, paths: uPlot.paths.bars!({ size: [0.86, 60] }), points: { show: false }, value: (_, count) => (count === null ? '–' : formatCount(count)) },
    ],
    axes: [
      { ...axisOf(colours), grid: { show: false }, space: 62, incrs: [1, 2, 4, 8, 16, 32], values: (_, splits) => splits.map((at) => labels[at]?.replace('≤ ', '') ?? '') },
      { ...axisOf(colours), size: 64, values: (_, splits) => splits.map((count) => (Number.isInteger(count) ? formatCount(count) : '')) },
    ],
  });
  return <Chart key={labels.join()} isDark={isDark} data={data} make={make} label={`Histogram of round trips: ${buckets.filter(({ count }) => count > 0).map(({ upToMicroseconds, count }) => `${formatCount(count)} ${upToMicroseconds === null ? 'longer' : `up to ${formatMicroseconds(upToMicroseconds)}`}`).join(', ')}`} />;
}

/** `version` changes when there are new samples: the array stays the same. */
export function LineChart({ samples, version, isDark }: { samples: readonly LatencySample[]; version: number; isDark: boolean }) {
  const data: uPlot.AlignedData = [samples.map(({ at }) => at), samples.map(({ medianMicroseconds }) => medianMicroseconds ?? null), samples.map(({ p99Microseconds }) => p99Microseconds ?? null)];
  const time = (_: uPlot, value: number | null): string => (value === null ? '–' : formatMicroseconds(value));
  const make = (colours: Colours, width: number): uPlot.Options => ({
    width, height: HEIGHT, cursor: { drag: { x: false, y: false } },
    scales: { y: { distr: 3 } },
    series: [
      { label: 'Time', value: '{HH}:{mm}:{ss}' },
      { label: 'Median', stroke: colours.line, width: 2, points: { show: false }, spanGaps: false, value: time },
      { label: '99 of 100 within', stroke: colours.second, width: 2, dash: [6, 4], points: { show: false }, spanGaps: false, value: time },
    ],
    axes: [
      { ...axisOf(colours), values: '{HH}:{mm}:{ss}', space: 80 },
      { ...axisOf(colours), size: 64, values: (_, splits) => splits.map((value) => (value === null ? '' : formatMicroseconds(value))) },
    ],
  });
  const last = samples.at(-1);
  return <Chart isDark={isDark} data={data} make={make} version={version} label={`Latency over time. Now the median is ${last?.medianMicroseconds === undefined ? 'unknown' : formatMicroseconds(last.medianMicroseconds)}.`} />;
}

interface Colours {
  text: string;
  grid: string;
  bar: string;
  barEdge: string;
  line: string;
  second: string;
}

function Chart({ data, make, label, isDark }: { isDark: boolean; data: uPlot.AlignedData; make: (colours: Colours, width: number) => uPlot.Options; label: string; version?: number }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = place.current!;
    chart.current = new uPlot(make(coloursOf(element), Math.max(200, element.clientWidth)), latest.current, element);
    const sizes = new ResizeObserver(() => chart.current!.width !== element.clientWidth && chart.current!.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      chart.current?.destroy();
      chart.current = undefined;
    };
  }, [isDark]);
  useEffect(() => chart.current?.setData(data));
  return <div class="chart" role="img" aria-label={label} ref={place} />;
}

function axisOf({ text, grid }: Colours): uPlot.Axis {
  return { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '12px system-ui, sans-serif' };
}

function coloursOf(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return { text: colour('--text-2'), grid: colour('--line'), bar: colour('--bar'), barEdge: colour('--accent'), line: colour('--accent'), second: colour('--second') };
}
