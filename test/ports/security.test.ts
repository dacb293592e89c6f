/** The attributes that say who is behind a message: security levels and contexts, tokens, tickets. Both sides are in one thread. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { type AcceptedKind, type ClientPort, connectPort, type ConnectionPort, createPort, createWorkTicket, type RequestMessage, type SecurityLevel, WorkTicket } from '../../src/index.js';
import { failsWith, numbers, until } from '../process/expect.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { temporaryRoot } from '../support/root.js';

withLedger();

const NAME = '\\RPC Control\\who';
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function connected(t: TestContext, accepts: readonly AcceptedKind[] = ['security', 'work']): Promise<{ port: ConnectionPort; client: ClientPort }> {
  temporaryRoot(t);
  const port = await createPort(NAME, { accepts });
  atEnd(t, () => port.close());
  const client = await connectPort(NAME);
  atEnd(t, () => client.close());
  return { port, client };
}

async function asked(port: ConnectionPort, call: Promise<unknown>): Promise<RequestMessage> {
  call.catch(() => {});
  for (;;) {
    const message = await port.receive();
    if (message.type === 'request') return message;
  }
}

test('a message says its level, \'identify\' without a word; only one that says so is impersonated', async (t) => {
  const { port, client } = await connected(t);
  for (const level of [undefined, 'anonymous', 'identify', 'impersonate'] as (SecurityLevel | undefined)[]) {
    const message = await asked(port, client.request('', level === undefined ? {} : { security: level }));
    assert.equal(message.securityLevel, level ?? 'identify');
    if (level === 'impersonate') assert.equal(message.impersonate(() => 42), 42);
    else assert.throws(() => message.impersonate(() => 42), failsWith('ERR_ALPC_ACCESS_DENIED'));
    message.release();
    assert.throws(() => message.impersonate(() => 42), failsWith('ERR_ALPC_ACCESS_DENIED', /or was released/));
    message.reply('');
  }
});

test('what the function throws is thrown on; a promise is refused, for what it awaits would run as the server', async (t) => {
  const { port, client } = await connected(t);
  const message = await asked(port, client.request('', { security: 'impersonate' }));
  assert.throws(() => message.impersonate(() => { throw new RangeError('mine'); }), RangeError);
  assert.throws(() => message.impersonate(async () => {}), failsWith('ERR_ALPC_INVALID_ARGUMENT', /done when it returns/));
  assert.throws(() => message.impersonate('text' as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', /'action'/));
  message.reply('');
});

test('a context that was revoked is refused: for what is on its way, for what was received, and for its maker; others go on', async (t) => {
  const { port, client } = await connected(t);
  const [one, two] = [client.createSecurityContext('impersonate'), client.createSecurityContext('impersonate')];
  const held = await asked(port, client.request('', { security: one }));
  const other = await asked(port, client.request('', { security: two }));
  assert.equal(held.impersonate(() => 1), 1);
  const call = client.request('', { security: one });
  one.revoke();
  one.revoke();
  const onItsWay = await asked(port, call);
  for (const message of [held, onItsWay]) assert.throws(() => message.impersonate(() => 1), failsWith('ERR_ALPC_ACCESS_DENIED', /taken its permission back/));
  assert.equal(other.impersonate(() => 2), 2);
  assert.throws(() => client.tryPost('', { security: one }), failsWith('ERR_ALPC_CLOSED', /revoked/));
  using third = client.createSecurityContext('impersonate'); // at the place of the first
  assert.equal(third.revoked, false);
  assert.throws(() => held.impersonate(() => 1), failsWith('ERR_ALPC_ACCESS_DENIED'), 'a later context at the same place is another');
});

test('contexts are bounded, belong to their port, and end with the connection', async (t) => {
  const { port, client } = await connected(t);
  const all = numbers(64).map(() => client.createSecurityContext('impersonate'));
  assert.throws(() => client.createSecurityContext('identify'), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /64 security contexts/));
  all[7]!.revoke();
  client.createSecurityContext('identify');
  const second = await connectPort(NAME);
  assert.throws(() => second.tryPost('', { security: all[1]! }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /another port/));
  const message = await asked(port, client.request('', { security: all[63]! }));
  assert.equal(message.impersonate(() => 1), 1);
  client.close();
  second.close();
  await until('they are gone', () => port.connections.length === 0);
  assert.throws(() => message.impersonate(() => 1), failsWith('ERR_ALPC_ACCESS_DENIED', /taken its permission back/));
  assert.throws(() => client.createSecurityContext('identify'), failsWith('ERR_ALPC_CLOSED'));
});

test('who does not take an attribute is sent none, and one bad attribute fails the whole send', async (t) => {
  const { port, client } = await connected(t, ['work', 'file']);
  const fd = openSync('/proc/self/exe', 'r');
  const ticket = createWorkTicket();
  assert.throws(() => client.tryPost('', { security: 'identify', workOnBehalfOf: ticket, handles: [fd] }), failsWith('ERR_ALPC_NOT_ACCEPTED', /no security attributes/));
  for (const bad of ['all', 3, null, {}] as never[]) assert.throws(() => client.tryPost('', { security: bad, handles: [fd] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.security/));
  for (const bad of ['self', 3, null, {}, { pid: 1, uid: 0, hops: 0 }] as never[]) assert.throws(() => client.tryPost('', { workOnBehalfOf: bad, handles: [fd] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.workOnBehalfOf/));
  assert.equal(client.tryPost('only this', { workOnBehalfOf: ticket, handles: [fd] }), 'sent');
  const message = await port.receive();
  assert.ok(message.type === 'datagram');
  assert.deepEqual([message.data.toString(), message.handles.length, message.workOnBehalfOf?.hops], ['only this', 1, 1]);
  message.release();
  closeSync(fd);
});

test('a ticket names who began, through a chain of three servers, and carries the trace context', async (t) => {
  const root = temporaryRoot(t);
  const names = ['\\RPC Control\\one', '\\RPC Control\\two', '\\RPC Control\\three'];
  const ports = await Promise.all(names.map((name) => createPort(name, { root, accepts: ['work'] })));
  const clients = await Promise.all(names.map((name) => connectPort(name, { root })));
  atEnd(t, async () => {
    for (const client of clients) client.close();
    for (const port of ports) await port.close();
  });
  const seen: (WorkTicket | undefined)[] = [];
  for (const [index, port] of ports.entries()) {
    port.on('message', (message) => {
      if (message.type !== 'request') return;
      const ticket = message.workOnBehalfOf!;
      seen.push(ticket);
      const next = clients[index + 1];
      if (next === undefined) message.reply('done');
      else void next.request('on', { workOnBehalfOf: index === 1 ? ticket.withTraceparent(TRACE.replace('b7ad', 'beef')) : ticket }).then(({ data }) => message.reply(data));
    });
  }
  const { data } = await clients[0]!.request('begin', { workOnBehalfOf: createWorkTicket({ traceparent: TRACE }) });
  assert.equal(data.toString(), 'done');
  assert.deepEqual(seen.map((ticket) => [ticket!.pid, ticket!.uid, ticket!.hops, ticket!.traceparent]), [
    [process.pid, process.geteuid!(), 1, TRACE],
    [process.pid, process.geteuid!(), 2, TRACE],
    [process.pid, process.geteuid!(), 3, TRACE.replace('b7ad', 'beef')],
  ]);
});

test('a trace context that is none is refused; a ticket without one carries none', async (t) => {
  const { port, client } = await connected(t);
  for (const bad of ['', 'x', TRACE.toUpperCase(), `${TRACE}-more`, TRACE.replace('00-', '01-'), `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`, 5 as never]) {
    assert.throws(() => createWorkTicket({ traceparent: bad }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.traceparent/));
  }
  client.tryPost('', { workOnBehalfOf: createWorkTicket() });
  const message = await port.receive();
  assert.ok(message.type === 'datagram');
  assert.equal(message.workOnBehalfOf!.traceparent, undefined);
});

test('a ticket that nobody could have been given is refused before it is sent, and the connection goes on', async (t) => {
  const { port, client } = await connected(t);
  const [name, someone] = [process.pid, process.geteuid!() + 1];
  for (const [pid, uid, hops, traceparent] of [[name, 0, 0], [0, someone, 0], [name, someone, -1], [name, someone, 1.5], [name, someone, NaN], [-1, 0, 1], [1.5, 0, 1], [name, 2 ** 32, 1], [0, 0, 0, 'x'], [0, 0, 0, TRACE.replace(/-b.*-/, `-${'0'.repeat(16)}-`)]] as [number, number, number, string?][]) {
    assert.throws(() => client.tryPost('', { workOnBehalfOf: new WorkTicket(pid, uid, hops, traceparent) }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /options\.workOnBehalfOf/));
  }
  assert.throws(() => client.tryPost('', { workOnBehalfOf: new WorkTicket(name, someone, 256, undefined) }), failsWith('ERR_ALPC_QUOTA_EXCEEDED', /come through 256 connections/));
  assert.equal(client.tryPost('', { workOnBehalfOf: new WorkTicket(2 ** 32 - 1, 2 ** 32 - 1, 255, TRACE) }), 'sent');
  const message = await port.receive();
  assert.ok(message.type === 'datagram');
  assert.deepEqual(message.workOnBehalfOf, new WorkTicket(2 ** 32 - 1, 2 ** 32 - 1, 256, TRACE));
});

test('the token is what the kernel says of the sender, whatever the sender does', async (t) => {
  const { port, client } = await connected(t);
  const message = await asked(port, client.request('', { security: 'anonymous' }));
  const { token } = message;
  assert.deepEqual([token.pid, token.uid, token.gid], [process.pid, process.geteuid!(), process.getegid!()]);
  assert.deepEqual(token.groups, message.sender.groups);
  const pidfd = token.openProcess();
  if (pidfd === undefined) return t.diagnostic('this kernel names no process by its socket');
  assert.match(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1'), new RegExp(`^Pid:\\s+${process.pid}$`, 'm'));
  closeSync(pidfd);
  assert.equal(token.executable, readlinkSync('/proc/self/exe'));
  assert.ok(token.startTime! > 0);
  assert.equal(message.token, token);
});

test('what a receiver keeps with a request is there when it is canceled', async (t) => {
  const { port, client } = await connected(t);
  const abort = new AbortController();
  const message = await asked(port, client.request('', { signal: abort.signal }));
  message.messageContext = { mine: 1 };
  abort.abort();
  const canceled = await port.receive();
  assert.ok(canceled.type === 'canceled');
  assert.deepEqual(canceled.request.messageContext, { mine: 1 });
});
