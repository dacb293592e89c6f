/** Numbers, sizes and times in a few characters that a person reads at a glance. English, as the whole page is; times of day are local. Names and commands, which others chose, as printable.ts shows them. */
import { printable } from '../../src/base/printable.js';
import type { Account, ProcessInfo } from '../../src/explorer/model.js';

const COUNT = new Intl.NumberFormat('en');
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function formatCount(count: number): string {
  return COUNT.format(Math.round(count));
}

/** `1 object`, `2 objects`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : threeDigits(value)} ${UNITS[unit]}`;
}

export function formatRate(perSecond: number): string {
  return `${perSecond >= 100 || perSecond === 0 ? formatCount(perSecond) : threeDigits(perSecond)}/s`;
}

export function formatMicroseconds(microseconds: number): string {
  if (microseconds < 1) return `${Math.round(microseconds * 1000)} ns`;
  if (microseconds < 1000) return `${threeDigits(microseconds)} µs`;
  if (microseconds < 1_000_000) return `${threeDigits(microseconds / 1000)} ms`;
  return `${threeDigits(microseconds / 1_000_000)} s`;
}

/** How long ago, or for how long: `4 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts: [number, string][] = [[Math.floor(seconds / 86_400), 'd'], [Math.floor(seconds / 3600) % 24, 'h'], [Math.floor(seconds / 60) % 60, 'min'], [seconds % 60, 's']];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(' ');
}

/** `2026-08-01 10:00:00`, local. */
export function formatTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function formatAccount({ id, name }: Account): string {
  return name === undefined ? String(id) : `${printable(name)} (${id})`;
}

export function formatProcess({ pid, command }: Pick<ProcessInfo, 'pid' | 'command'>): string {
  return `${pid} ${printable(command)}`;
}

/** What an error code of the tree means, in words. */
export function formatProblem(code: string): string {
  return code === 'ERR_ALPC_ACCESS_DENIED' ? 'access denied' : code;
}

function threeDigits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? trimmed(value.toFixed(1)) : trimmed(value.toFixed(2));
}

function trimmed(number: string): string {
  return number.replace(/\.?0+$/, '');
}
