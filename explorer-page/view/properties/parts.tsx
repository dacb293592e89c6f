/** Small parts that several tabs are made of: facts in two columns, figures in tiles, a bar that fills, a table of processes. */
import type { ComponentChildren } from 'preact';
import { printable } from '../../../src/base/printable.js';
import type { ProcessInfo, Usage } from '../../../src/explorer/model.js';
import { formatAccount, formatCount, formatTime } from '../../logic/format.js';

/** A list of facts; what is undefined is left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren | undefined])[] }) {
  return <dl class="facts">{facts.map(([title, value]) => (value === undefined ? null : <div key={title}><dt>{title}</dt><dd>{value}</dd></div>))}</dl>;
}

export function Tiles({ tiles }: { tiles: readonly { title: string; value: string; note?: string | undefined; isBad?: boolean }[] }) {
  return (
    <dl class="tiles">
      {tiles.map(({ title, value, note, isBad }) => (
        <div key={title} class={isBad === true ? 'bad' : ''}>
          <dt>{title}</dt>
          <dd>{value}{note === undefined ? null : <small>{note}</small>}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A figure. What is undefined could not be seen, which is not nothing. */
export function seen(value: number | undefined, format: (value: number) => string = formatCount): string {
  return value === undefined ? 'not visible' : format(value);
}

export function Meter({ usage, label, format = formatCount }: { usage: Usage | undefined; label: string; format?: (value: number) => string }) {
  if (usage === undefined) return <span class="unknown">not visible</span>;
  const share = usage.limit === 0 ? 0 : Math.min(1, usage.used / usage.limit);
  return (
    <span class="meter-part">
      <span class={`meter ${share >= 0.8 ? 'full' : ''}`} role="meter" aria-label={label} aria-valuenow={usage.used} aria-valuemin={0} aria-valuemax={usage.limit}><span style={{ width: `${share * 100}%` }} /></span>
      <span class="meter-text">{format(usage.used)} of {format(usage.limit)}</span>
    </span>
  );
}

export function Processes({ processes, caption }: { processes: readonly ProcessInfo[]; caption: string }) {
  return (
    <div class="scrolling" tabIndex={0} role="region" aria-label={caption}>
      <table class="table">
        <caption>{caption}</caption>
        <thead><tr><th scope="col" class="number">Process</th><th scope="col">Command</th><th scope="col">User</th><th scope="col">State</th><th scope="col">Started</th></tr></thead>
        <tbody>
          {processes.map(({ pid, command, user, state, started }) => (
            <tr key={pid}><td class="number">{pid}</td><td class="command" title={printable(command)}>{printable(command)}</td><td>{formatAccount(user)}</td><td><State state={state} /></td><td>{formatTime(started)}</td></tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function State({ state }: { state: ProcessInfo['state'] }) {
  return <span class={state === 'stopped' || state === 'zombie' || state === 'traced' ? 'state-bad' : ''}>{state}</span>;
}
