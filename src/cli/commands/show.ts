/** `alpc show`: all that can be told of one object, a port's connections among it. */
import type { Command } from 'commander';
import { type AccessEntry, type ConnectionDetails, type ConnectionEnd, inspectObject, type ObjectDetails, type OutboxInfo, type PortDetails, type PortTotals, type Usage } from '../../explorer/index.js';
import { acts, type Context, subcommand } from '../context.js';
import { agoText, asFarAsSeen, bytesText, microsecondsText, type Output, printable } from '../output.js';

export function showCommand(): Command {
  const command = subcommand('show', 'show everything about an object; of a port its connections, queues, waits and latency').argument('<object>', 'its full name');
  return acts(command, ({ out, where }: Context, _options: object, name: string) => {
    const details = inspectObject(name, where);
    if (out.json) return out.value(details);
    showObject(out, details);
    if (details.port !== undefined) showPort(out, details.port);
  });
}

function showObject(out: Output, details: ObjectDetails): void {
  const { directory, section, event, holders } = details;
  pairs(out, [
    ['Name', details.name],
    ['Type', details.type],
    ['Link target', details.target],
    ['Leads to', details.type === 'SymbolicLink' ? (details.resolved ?? 'nothing') : undefined],
    ['Path', details.path],
    ['Owner', account(details.owner)],
    ['Group', account(details.group)],
    ['Permissions', `${details.permissions} (${details.mode.toString(8)})`],
    ['Security', details.security.map(({ who, account: whose, rights }) => `${who}${whose === undefined ? '' : ` (${account(whose)})`}: ${rights.join(', ')}`).join('; ') || undefined],
    ['Created', details.created],
    ['References', details.references],
    ['Size', section && bytesText(section.bytes)],
    ['Holds', directory && (directory.unreadable ?? `${directory.objects} objects`)],
    ['Event', event && `${event.kind ?? 'event'}, ${event.signaled === undefined ? 'state unknown' : event.signaled ? 'signaled' : 'not signaled'}`],
    ['Open in', details.type === 'Directory' ? undefined : `${holders.map(({ pid, command }) => `${pid} (${command})`).join(', ') || 'no process'}${details.holdersComplete ? '' : ', as far as can be seen'}`],
  ]);
}

function showPort(out: Output, port: PortDetails): void {
  const { totals, backlog, latency, connectionQuota, hiddenProcesses } = port;
  const told = toldOf(totals);
  out.line();
  pairs(out, [
    ['State', port.state],
    ['Server', port.server && `${port.server.pid} (${port.server.command}), ${account(port.server.user)}, ${port.server.state}, since ${port.server.started}`],
    ['Backlog', backlog && `${backlog.waiting} of ${backlog.limit}`],
    ['Lets in', port.access && (port.access.allow.map(accessText).join('; ') || 'nobody')],
    ['Keeps out', port.access && (port.access.deny.map(accessText).join('; ') || undefined)],
    ['Connections', `${totals.connections}${connectionQuota === undefined ? '' : ` of ${connectionQuota.limit}`}${totals.hidden === 0 ? '' : `, ${totals.hidden} that can not be looked into`}`],
    ['To the server', told([totals.clientToServer?.messages, 'messages'], [bytes(totals.clientToServer?.bytes)])],
    ['From the server', told([totals.serverToClient?.messages, 'messages'], [bytes(totals.serverToClient?.bytes)])],
    ['Queues', told([totals.pendingRequests, 'requests wait for replies'], [totals.queuedMessages, 'messages read ahead'], [bytes(totals.unreadBytes), 'unread'])],
    ['Lent', told([totals.viewsOutstanding, 'views'], [totals.handlesOutstanding, 'handles'])],
    ['Doorbells', told([totals.bellsRung, 'rung'])],
    ['Late replies', totals.lateReplies === 0 ? undefined : told([totals.lateReplies])],
    ['Latency', latency && `median ${microsecondsText(latency.medianMicroseconds)}, 99% ${microsecondsText(latency.p99Microseconds)}, of ${latency.count} calls`],
  ]);
  if (port.connections.length > 0) showConnections(out, port.connections);
  for (const { text } of port.waits) out.line(out.colour('yellow', printable(text)));
  const limits = asFarAsSeen(hiddenProcesses);
  if (totals.hidden > 0 && limits !== undefined) out.line(limits);
}

/** Tells figures: those that could be seen of no connection are not visible, those that could not be seen of all are told as the least. */
function toldOf({ hidden }: PortTotals): (...figures: readonly (readonly [string | number | undefined, string?])[]) => string {
  return (...figures) => {
    const seen = figures.filter(([figure]) => figure !== undefined);
    if (seen.length === 0) return 'not visible';
    return `${hidden > 0 ? 'at least ' : ''}${seen.map(([figure, what]) => `${figure}${what === undefined ? '' : ` ${what}`}`).join(', ')}`;
  };
}

function bytes(count: number | undefined): string | undefined {
  return count === undefined ? undefined : bytesText(count);
}

function accessText({ user, group, executable, session, label, rights }: AccessEntry): string {
  const who = [
    user === undefined ? undefined : user === 'everyone' ? user : `user ${account(user)}`,
    group && `group ${account(group)}`,
    executable && `program ${printable(executable)}`,
    session === undefined ? undefined : `session ${session}`,
    label && `label ${printable(label)}`,
  ];
  return `${who.filter((part) => part !== undefined).join(' and ')}: ${rights.join(', ') || 'nothing'}`;
}

function showConnections(out: Output, connections: readonly ConnectionDetails[]): void {
  out.line();
  const lines = out.table(connections, [
    { title: 'Connection', of: ({ id }) => id },
    { title: 'Client', of: ({ client }) => who(client) },
    { title: 'Since', of: ({ since }) => since && `${agoText(since)} ago`, right: true, spare: 3 },
    { title: 'Sent', of: ({ client }) => client.outbox?.sent.messages, right: true },
    { title: 'Received', of: ({ server }) => server.outbox?.sent.messages, right: true, spare: 1 },
    { title: 'Pending', of: ({ client }) => client.outbox?.pendingRequests, right: true },
    { title: 'Unread', of: ({ client, server }) => client.outbox && `${client.outbox.ring.unread ?? '-'}/${server.outbox?.ring.unread ?? '-'}`, right: true, spare: 2 },
    { title: 'Asleep', of: ({ client, server }) => client.outbox && `${client.outbox.sleepsFor.length > 0 ? 'yes' : 'no'}/${server.outbox === undefined ? '-' : server.outbox.sleepsFor.length > 0 ? 'yes' : 'no'}`, spare: 5 },
    { title: 'Median', of: ({ latency }) => latency && microsecondsText(latency.medianMicroseconds), right: true, spare: 4 },
    { title: 'Command', of: ({ client, problem }) => `${client.process?.command ?? ''}${problem === undefined ? '' : ` [${problem}]`}` },
  ]);
  for (const line of lines) out.line(line);
  showQuotas(out, connections);
}

/** What each side has used of what it may, the client's before the server's. */
function showQuotas(out: Output, connections: readonly ConnectionDetails[]): void {
  const both = (of: (outbox: OutboxInfo) => string | number | undefined) => ({ client, server }: ConnectionDetails): string | undefined =>
    client.outbox === undefined && server.outbox === undefined ? undefined : [client.outbox, server.outbox].map((outbox) => (outbox && of(outbox)) ?? '-').join(' ');
  const usage = (used: Usage | undefined): string | undefined => used && `${used.used}/${used.limit}`;
  out.line();
  const lines = out.table(connections, [
    { title: 'Connection', of: ({ id }) => id },
    { title: 'Pending of quota', of: both(({ pendingQuota }) => usage(pendingQuota)), right: true },
    { title: 'Views lent', of: both(({ views }) => usage(views)), right: true },
    { title: 'Handles lent', of: both(({ handles }) => handles), right: true, spare: 1 },
    { title: 'Bells rung', of: both(({ bellsRung }) => bellsRung), right: true, spare: 2 },
    { title: 'Late replies', of: both(({ lateReplies }) => lateReplies), right: true, spare: 3 },
  ]);
  for (const line of lines) out.line(line);
}

function who({ process, user }: ConnectionEnd): string {
  return process === undefined ? (user === undefined ? 'unknown' : `a process of ${account(user)}`) : `${process.pid} ${account(process.user)}${process.state === 'stopped' ? ' (stopped)' : ''}`;
}

export function account({ id, name }: { id: number; name?: string }): string {
  return name ?? String(id);
}

function pairs(out: Output, list: readonly (readonly [string, string | number | undefined])[]): void {
  const shown = list.filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([key]) => key.length));
  for (const [key, value] of shown) out.line(`${out.colour('bold', `${key}:`.padEnd(width + 1))} ${printable(String(value))}`);
}
