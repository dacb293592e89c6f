/** A server that acts as its client, who is another user: only where the message says so, only as that user, and itself again behind it. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { AlpcError, connectPort, createPort, type RequestMessage } from '../../src/index.js';
import { atEnd } from '../support/at-end.js';
import { withLedger } from '../support/ledger.js';
import { startActor } from '../support/processes.js';
import { noOtherUsers, sharedRoot, USERS } from '../support/users.js';
import type { News as OfficialNews, Order as OfficialOrder } from './actors/official.js';
import type { News, Order } from './actors/petitioner.js';

withLedger();

const NAME = '\\RPC Control\\office';

test('a server impersonates another user\'s process: it makes files as that user, can\'t read what that user can\'t, and is refused without permission or with one that was revoked', { skip: noOtherUsers }, async (t) => {
  const root = sharedRoot(t);
  const port = await createPort(NAME, { root, accepts: ['security'], security: { allow: [{ user: 'everyone', rights: ['connect'] }] } });
  atEnd(t, () => port.close());
  const folder = mkdtempSync(join(tmpdir(), 'alpc-office-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o777);
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'of root', { mode: 0o600 });
  const serve = (message: RequestMessage): string => {
    try {
      return message.impersonate(() => {
        writeFileSync(join(folder, message.data.toString()), '');
        return readFileSync(secret, 'utf8');
      });
    } catch (error) {
      return AlpcError.is(error) ? `${error.code}: ${error.message}` : String((error as NodeJS.ErrnoException).code);
    }
  };
  const held: RequestMessage[] = [];
  port.on('message', (message) => {
    if (message.type === 'request' && message.data.toString() === 'held') held.push(message);
    else if (message.type === 'request') message.reply(serve(message));
    else if (message.type === 'datagram') for (const request of held.splice(0)) request.reply(serve(request)); // its permission is gone by now
  });
  const [uid] = USERS;
  const actor = startActor<Order, News>(t, new URL('./actors/petitioner.js', import.meta.url), [NAME, root], {}, { uid, gid: uid });
  await actor.until('ready');
  const ask = async (text: string, level: 'anonymous' | 'identify' | 'impersonate' | undefined, revoked = false): Promise<string> => (await actor.ask({ type: 'ask', text, level, revoked }, 'answered')).text;
  assert.equal(await ask('theirs', 'impersonate'), 'EACCES');
  assert.deepEqual([statSync(join(folder, 'theirs')).uid, statSync(join(folder, 'theirs')).gid], [uid, uid]);
  assert.equal(readFileSync(secret, 'utf8'), 'of root', 'the server is root again');
  assert.match(await ask('none', undefined), /ERR_ALPC_ACCESS_DENIED.*does not allow it/);
  assert.match(await ask('none', 'identify'), /ERR_ALPC_ACCESS_DENIED.*allows 'identify'/);
  assert.match(await ask('none', 'anonymous'), /ERR_ALPC_ACCESS_DENIED.*allows 'anonymous'/);
  assert.match(await ask('held', 'impersonate', true), /ERR_ALPC_ACCESS_DENIED.*has taken its permission back/);
  for (const name of ['none', 'held']) assert.throws(() => statSync(join(folder, name)), /ENOENT/);
  await actor.kill();
});

test('a client impersonates its server with all the server\'s groups: it reads what they may, and not what another group may', { skip: isMainThread ? noOtherUsers : 'a worker thread, as its actor is one then, can become nobody else' }, async (t) => {
  const root = sharedRoot(t);
  const folder = mkdtempSync(join(tmpdir(), 'alpc-office-'));
  atEnd(t, () => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const [uid, group, another] = USERS;
  const files = Object.fromEntries([group, another].map((gid) => {
    const file = join(folder, String(gid));
    writeFileSync(file, `of group ${gid}`);
    chownSync(file, 0, gid);
    chmodSync(file, 0o640);
    return [gid, file];
  }));
  const actor = startActor<OfficialOrder, OfficialNews>(t, new URL('./actors/official.js', import.meta.url), [NAME, root, String(uid), String(group)]);
  await actor.until('ready');
  const client = await connectPort(NAME, { root, accepts: ['security'] });
  atEnd(t, () => client.close());
  const answer = await client.request('');
  assert.deepEqual([answer.sender.uid, answer.sender.gid, answer.sender.groups, answer.token.groups], [uid, uid, [group], [group]]);
  assert.equal(answer.impersonate(() => readFileSync(files[group]!, 'utf8')), `of group ${group}`);
  assert.throws(() => answer.impersonate(() => readFileSync(files[another]!)), /EACCES/);
  assert.equal(readFileSync(files[another]!, 'utf8'), `of group ${another}`, 'root again');
  await actor.kill();
});
