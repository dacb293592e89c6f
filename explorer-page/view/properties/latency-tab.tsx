/**
 * How long round trips take: a histogram of all since the connections began, or of what happened since the dialog was opened, and a line
 * over time. A chart is a picture; the same figures stand above it in words.
 */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { LatencyHistogram } from '../../../src/explorer/model.js';
import { formatCount, formatMicroseconds, formatRate } from '../../logic/format.js';
import { difference, quantile, withoutEmptyEnds } from '../../logic/latency.js';
import { HistogramChart, LineChart } from './charts.js';
import { Tiles } from './parts.js';
import type { PortTabProps } from './properties-dialog.js';

export function LatencyTab({ explorer, port, history }: PortTabProps) {
  const first = useRef<LatencyHistogram | undefined>(undefined);
  const isRecent = useSignal(false);
  const all = port.latency;
  if (all === undefined) return <p class="remark">No round trip of this port can be seen.</p>;
  first.current ??= all;
  const shown = isRecent.value ? difference(all, first.current) : all;
  const buckets = withoutEmptyEnds(shown.buckets);
  const time = (share: number): string => {
    const found = quantile(shown.buckets, share);
    return found === undefined ? '–' : formatMicroseconds(found);
  };
  const last = history.samples.at(-1);
  return (
    <>
      <Tiles
        tiles={[
          { title: 'Median', value: time(0.5) }, { title: '99 of 100 within', value: time(0.99) }, { title: '999 of 1000 within', value: time(0.999) },
          { title: 'Calls', value: formatCount(shown.count), note: shown.sampledOneIn === 1 ? 'all measured' : `1 in ${shown.sampledOneIn} measured` },
          { title: 'Now', value: last === undefined ? '–' : formatRate(last.callsPerSecond) },
        ]}
      />
      <fieldset class="choice">
        <legend>Round trips</legend>
        <label><input type="radio" name="span" checked={!isRecent.value} onChange={() => (isRecent.value = false)} /> since the connections began</label>
        <label><input type="radio" name="span" checked={isRecent.value} onChange={() => (isRecent.value = true)} /> since this tab was opened</label>
      </fieldset>
      {buckets.length === 0 ? <p class="remark chart-empty">No round trip yet.</p> : <HistogramChart buckets={buckets} isDark={explorer.isDark.value} />}
      <h2 class="chart-title">Over time</h2>
      {history.samples.length < 2 ? <p class="remark chart-empty">The line begins when two pictures have come.</p> : <LineChart samples={history.samples} version={history.samples.at(-1)!.at} isDark={explorer.isDark.value} />}
    </>
  );
}
