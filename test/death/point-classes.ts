/**
 * Which kill points are the same death to everybody else: those between which the process does nothing that another one
 * could see. Of sixty calls that open, map and look, some ten make a difference.
 */

/** Calls whose effect another process can see, or that see what another process did. Between two of them a death is the same death to all others. */
const VISIBLE = /^(?:bind|listen|chmod|unlinkat|renameat2|flock|connect|accept4|sendmsg|recvmsg|send|recv|poll|epoll_wait|copy|store (?:tail|head|dataSleep|spaceSleep|viewSleep|released|sequence|state))$/;
/** Of those, the ones around which it matters whether the other is still there. */
const WATCHFUL = /^(?:connect|accept4|sendmsg|recvmsg|send|recv|poll|epoll_wait|store (?:tail|dataSleep|spaceSleep|viewSleep|released|state))$/;

/** Points between which nothing happens that anybody else could see. */
export interface PointClass {
  /** The call behind which they lie, without its number: 'connect: sendmsg'. */
  readonly behind: string;
  readonly points: string[];
}

/** Divides a trace into classes: each begins behind a visible call, and ends before the next. */
export function classesOf(trace: readonly string[]): PointClass[] {
  const classes: PointClass[] = [];
  let last = '';
  for (const point of trace) {
    const [, stage, call, , when] = /^(\w+): (.+) (\d+) (before|after)$/.exec(point)!;
    const begins = when === 'after' && VISIBLE.test(call!) ? `${stage}: ${call}` : stage === last ? undefined : `${stage}: beginning`;
    last = stage!;
    if (begins === undefined) classes.at(-1)!.points.push(point);
    else classes.push({ behind: begins, points: [point] });
  }
  return classes;
}

/** What a visible call has to do with. */
const KINDS: readonly (readonly [kind: string, calls: RegExp])[] = [
  ['disk', /^(?:bind|listen|chmod|unlinkat|renameat2|flock)$/],
  ['socket', /^(?:connect|accept4|sendmsg|recvmsg|send|recv)$/],
  ['wait', /^(?:poll|epoll_wait|store (?:dataSleep|spaceSleep|viewSleep|sequence))$/],
  ['memory', /^(?:copy|store (?:tail|head|released|state))$/],
];

/** Classes of one stage that lie behind a call of one kind: for whoever has not the time to come to each. */
export function groupsOf(trace: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const { behind, points } of classesOf(trace)) {
    const [stage, call] = behind.split(': ') as [string, string];
    const group = `${stage}: ${KINDS.find(([, calls]) => calls.test(call))?.[0] ?? call}`;
    groups.set(group, [...(groups.get(group) ?? []), ...points]);
  }
  return [...groups.values()];
}

/** Whether it matters here that the other one dies: this one is about to tell it something, to look for it, or to wait for it. */
export function isWatchful(points: readonly string[]): boolean {
  return points.some((point) => WATCHFUL.test(/: (.+) \d+ \w+$/.exec(point)![1]!));
}
