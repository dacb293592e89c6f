import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { checkAccess, createSecurityDescriptor, fileMode, type Identity, type SecurityEntry } from '../../src/objects/index.js';
import { filePermissions, UNKNOWN_ID } from '../../src/objects/security-descriptor.js';
import { programAt } from '../../src/platform/peer-process.js';
import { failsWith, isRoot, order, startObjectActor, testInRoot } from './support.js';
import { withGap } from '../support/with-gap.js';
import { withLedger } from '../support/ledger.js';

withLedger();

const me = process.geteuid!();
const someone: Identity = { uid: me + 1, gid: 777, groups: [888] };

const lets = (identity: Identity, allow?: SecurityEntry[], deny?: SecurityEntry[]): boolean =>
  checkAccess(createSecurityDescriptor({ ...(allow === undefined ? {} : { allow }), ...(deny === undefined ? {} : { deny }) }), identity, 'connect');

test('left out, the same user and root are let in, and nobody else', () => {
  assert.ok(checkAccess(createSecurityDescriptor(), { uid: me, gid: 1 }, 'connect'));
  assert.ok(lets({ uid: 0, gid: 5 }));
  assert.ok(!lets(someone));
  assert.ok(!lets({ uid: me + 1, gid: 0, groups: [0] }));
});

test('a list that allows lets in those whom it names, and nobody else', () => {
  assert.ok(lets(someone, [{ user: someone.uid }]));
  assert.ok(lets(someone, [{ user: 'everyone' }]));
  assert.ok(lets(someone, [{ group: 777 }]), 'the primary group counts');
  assert.ok(lets(someone, [{ group: 888 }]), 'a supplementary group counts');
  assert.ok(!lets(someone, [{ group: 999 }, { user: 'me' }]));
  assert.ok(!lets({ uid: 0, gid: 0 }, [{ user: someone.uid }]), 'root is not added to a list of names');
  assert.ok(!lets({ uid: me, gid: 0 }, []));
});

test('who is denied is kept out, whatever allows', () => {
  assert.ok(!lets(someone, [{ user: 'everyone' }], [{ user: someone.uid }]));
  assert.ok(!lets(someone, [{ user: someone.uid }], [{ group: 888 }]));
  assert.ok(!lets({ uid: me, gid: 1 }, [{ user: 'me' }], [{ user: 'everyone' }]));
  assert.ok(lets(someone, [{ user: 'everyone' }], [{ user: 'me' }]));
  assert.ok(!lets(someone, undefined, []), 'a list that denies leaves the others as they were');
});

test('the table of six identities and five descriptors is as written', () => {
  const identities: Record<string, Identity> = {
    me: { uid: me, gid: 5000 },
    root: { uid: 0, gid: 0 },
    user: { uid: 4001, gid: 4001 },
    member: { uid: 4002, gid: 4002, groups: [4100] },
    both: { uid: 4001, gid: 4100 },
    unknown: { uid: UNKNOWN_ID, gid: UNKNOWN_ID, groups: [UNKNOWN_ID] },
  };
  const table: [string, Parameters<typeof createSecurityDescriptor>[0], string[]][] = [
    ['the default', {}, me === UNKNOWN_ID ? ['me', 'root', 'unknown'] : ['me', 'root']],
    ['everyone', { allow: [{ user: 'everyone' }] }, ['me', 'root', 'user', 'member', 'both', 'unknown']],
    ['a group', { allow: [{ group: 4100 }] }, ['member', 'both']],
    ['all but a group', { allow: [{ user: 'everyone' }], deny: [{ group: 4100 }] }, ['me', 'root', 'user', 'unknown']],
    ['the unknown by number', { allow: [{ user: UNKNOWN_ID }, { group: UNKNOWN_ID }] }, []],
  ];
  for (const [what, options, expected] of table) {
    const descriptor = createSecurityDescriptor(options);
    const allowed = Object.keys(identities).filter((name) => checkAccess(descriptor, identities[name]!, 'connect'));
    assert.deepEqual(allowed, expected, what);
  }
});

test('an unknown user is let in by everyone alone, and kept out by its number', () => {
  const unknown: Identity = { uid: UNKNOWN_ID, gid: UNKNOWN_ID };
  assert.ok(!lets(unknown, [{ user: UNKNOWN_ID }]));
  assert.ok(!lets(unknown, [{ group: UNKNOWN_ID }]));
  assert.ok(lets(unknown, [{ user: 'everyone' }]));
  assert.ok(!lets(unknown, [{ user: 'everyone' }], [{ user: UNKNOWN_ID }]));
});

testInRoot('a process of the user nobody, whose number is that of the unknown, lets its own user in where every user is known', async (_root, t) => {
  const everyoneIsMapped = /^\s*0\s+\d+\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
  const nobody = startObjectActor(t, isRoot ? { uid: UNKNOWN_ID, gid: UNKNOWN_ID } : {});
  assert.deepEqual(await order(nobody, { type: 'default-access' }), { done: true, letsMe: isRoot ? everyoneIsMapped : true });
});

test('an entry without the right gives nothing and takes nothing', () => {
  assert.ok(!lets(someone, [{ user: 'everyone', rights: [] }]));
  assert.ok(lets(someone, [{ user: 'everyone', rights: ['connect'] }], [{ user: 'everyone', rights: [] }]));
});

test('an entry that names several things is about whoever is all of that', () => {
  const both: SecurityEntry[] = [{ user: someone.uid, group: 888 }];
  assert.ok(lets(someone, both));
  assert.ok(!lets({ ...someone, groups: [] }, both));
  assert.ok(!lets({ ...someone, uid: me }, both));
  assert.ok(lets({ ...someone, groups: [] }, [{ user: 'everyone' }], both), 'who is not all of it is not denied');
  assert.ok(!lets(someone, [{ user: 'everyone' }], both));
});

test('a program is known by its file, wherever a path leads when it is asked for; sessions and labels are compared as they are', () => {
  const program = programAt(process.execPath)!;
  const who: Identity = { ...someone, process: { program, session: 7 }, label: 'system_u:system_r:sshd_t' };
  for (const [entry, expected] of [
    [{ executable: process.execPath }, true],
    [{ executable: '/proc/self/exe' }, true],
    [{ executable: '/etc/passwd' }, false],
    [{ executable: '/no/such/program' }, false],
    [{ executable: '/etc/passwd/below' }, false],
    [{ session: 7 }, true],
    [{ session: 8 }, false],
    [{ label: 'system_u:system_r:sshd_t' }, true],
    [{ label: 'system_u:system_r' }, false],
    [{ executable: process.execPath, session: 7, label: 'system_u:system_r:sshd_t', user: someone.uid, group: 777 }, true],
    [{ executable: process.execPath, session: 8 }, false],
  ] as [SecurityEntry, boolean][]) {
    assert.equal(lets(who, [entry]), expected, `allow ${JSON.stringify(entry)}`);
    assert.equal(lets(who, [{ user: 'everyone' }], [entry]), !expected, `deny ${JSON.stringify(entry)}`);
  }
});

test('what is not known of somebody counts against them: it does not allow, and it does deny', () => {
  for (const entry of [{ executable: process.execPath }, { session: 7 }, { label: 'x' }] as SecurityEntry[]) {
    assert.ok(!lets(someone, [entry]), `allow ${JSON.stringify(entry)}`);
    assert.ok(!lets(someone, [{ user: 'everyone' }], [entry]), `deny ${JSON.stringify(entry)}`);
    assert.ok(lets(someone, [{ user: 'everyone' }], [{ ...entry, user: someone.uid + 1 }]), 'what is known is enough to tell that it is not about them');
  }
  const inNone: Identity = { ...someone, process: { session: 'none' } };
  assert.ok(!lets(inNone, [{ session: 7 }]));
  assert.ok(lets(inNone, [{ user: 'everyone' }], [{ session: 7 }]), 'who is in no session is known not to be in this one');
  const unknown: Identity = { uid: UNKNOWN_ID, gid: UNKNOWN_ID, process: { session: 7 } };
  assert.ok(!lets(unknown, [{ session: 7 }]), 'nobody knows who that is');
  assert.ok(lets(unknown, [{ session: 7, user: 'everyone' }]));
});

test('what only a server can ask for, a file\'s permissions can\'t say: named events and sections refuse it', () => {
  for (const entry of [{ user: 'me', executable: process.execPath }, { user: 'me', session: 7 }, { label: 'x' }, { user: me + 1, group: 7 }] as SecurityEntry[]) {
    assert.throws(() => filePermissions(createSecurityDescriptor({ allow: [entry] })), failsWith('ERR_ALPC_INVALID_ARGUMENT', /what a file's permissions can say/));
  }
  assert.deepEqual(filePermissions(createSecurityDescriptor({ allow: [{ user: 'me' }, { group: 7 }] })), { mode: 0o660, gid: 7 });
});

test('names are looked up in /etc/passwd and /etc/group', () => {
  const [user, , uid] = readFileSync('/etc/passwd', 'utf8').split('\n').find((line) => line.startsWith('daemon:'))!.split(':');
  const [group, , gid] = readFileSync('/etc/group', 'utf8').split('\n').find((line) => line.startsWith('daemon:'))!.split(':');
  assert.ok(lets({ uid: Number(uid), gid: 9999 }, [{ user: user! }]));
  assert.ok(lets({ uid: 9999, gid: Number(gid) }, [{ group: group! }]));
  for (const name of ['no-such-user', '', 'root:x', '0', 'root\n', '__proto__']) {
    assert.throws(() => createSecurityDescriptor({ allow: [{ user: name }] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'security\.allow\[0\]\.user' must be 'me', 'everyone', a user's number or a name in \/etc\/passwd/));
    assert.throws(() => createSecurityDescriptor({ deny: [{ user: 0 }, { group: name }] }), failsWith('ERR_ALPC_INVALID_ARGUMENT', /argument 'security\.deny\[1\]\.group' must be/));
  }
});

test('what is no descriptor is refused, and the error names the place', () => {
  const refused: [unknown, RegExp][] = [
    [7, /argument 'security' must be an object/],
    [{ alow: [] }, /no option 'alow'/],
    [{ allow: {} }, /'security\.allow' must be an array/],
    [{ allow: [null] }, /'security\.allow\[0\]' must be an object/],
    [{ deny: withGap({ user: 0 }) }, /'security\.deny\[0\]' must be an object/],
    [{ allow: [{ user: 1, rights: withGap('connect') }] }, /'security\.allow\[0\]\.rights\[0\]' must be one of 'connect'/],
    [{ allow: [{}] }, /'security\.allow\[0\]' must be an object with at least one of 'user', 'group', 'executable', 'session', 'label'/],
    [{ allow: [{ rights: ['connect'] }] }, /at least one of/],
    [{ allow: [{ user: undefined, executable: '/bin/sh' }] }, /'security\.allow\[0\]\.user' must be said, or left out/],
    [{ deny: [{ user: 5 }, { label: undefined }] }, /'security\.deny\[1\]\.label' must be said, or left out/],
    [{ allow: [{ executable: 'node' }] }, /'security\.allow\[0\]\.executable' must be the absolute path of a program/],
    [{ deny: [{ executable: '/bin/sh\0' }] }, /'security\.deny\[0\]\.executable'/],
    [{ allow: [{ executable: 7 }] }, /'security\.allow\[0\]\.executable'/],
    [{ allow: [{ session: -1 }] }, /'security\.allow\[0\]\.session'/],
    [{ allow: [{ session: 2 ** 32 - 1 }] }, /'security\.allow\[0\]\.session'/],
    [{ allow: [{ session: 'yours' }] }, /'security\.allow\[0\]\.session'/],
    [{ allow: [{ label: '' }] }, /'security\.allow\[0\]\.label' must be a security label/],
    [{ allow: [{ user: -1 }] }, /'security\.allow\[0\]\.user'/],
    [{ allow: [{ user: 2 ** 32 - 1 }] }, /'security\.allow\[0\]\.user'/],
    [{ allow: [{ user: 1.5 }] }, /'security\.allow\[0\]\.user'/],
    [{ allow: [{ user: 1, rights: ['fly'] }] }, /'security\.allow\[0\]\.rights\[0\]' must be one of 'connect'/],
    [{ allow: [{ user: 1, rights: 'connect' }] }, /'security\.allow\[0\]\.rights' must be an array/],
    [{ allow: [{ user: 1, right: [] }] }, /no option 'right'/],
  ];
  for (const [options, message] of refused) assert.throws(() => createSecurityDescriptor(options as never), failsWith('ERR_ALPC_INVALID_ARGUMENT', message));
});

test('the socket file is open to the owner alone, unless somebody else is let in', () => {
  const modeFor = (allow?: SecurityEntry[]): number => fileMode(createSecurityDescriptor(allow === undefined ? {} : { allow }));
  assert.equal(modeFor(), 0o600);
  assert.equal(modeFor([]), 0o600);
  assert.equal(modeFor([{ user: me }, { user: 0 }]), 0o600);
  assert.equal(modeFor([{ user: 'me' }, { user: me + 1 }]), 0o666);
  assert.equal(modeFor([{ group: 0 }]), 0o666);
  assert.equal(modeFor([{ user: 'me', executable: process.execPath }]), 0o600);
  assert.equal(modeFor([{ executable: process.execPath }]), 0o666);
  assert.equal(modeFor([{ user: 'everyone' }]), 0o666);
});

test('for any lists and any identity: denied beats allowed, and nothing is let in that no entry names', () => {
  const id = fc.constantFrom(0, 1, 2, 3, UNKNOWN_ID);
  const entry = fc.oneof(fc.record({ user: fc.oneof(id, fc.constantFrom('me', 'everyone')) }), fc.record({ group: id }));
  const identity = fc.record({ uid: id, gid: id, groups: fc.array(id, { maxLength: 3 }) });
  const names = ({ user, group }: SecurityEntry, { uid, gid, groups = [] }: Identity): boolean =>
    user === 'everyone' || (user === 'me' ? uid === me : user !== undefined ? uid === user : gid === group || groups.includes(group as number));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), fc.array(entry, { maxLength: 4 }), identity, (allow, deny, who) => {
      const named = allow.some((entry) => names(entry, who) && (entry as SecurityEntry).user !== UNKNOWN_ID && (entry as SecurityEntry).group !== UNKNOWN_ID);
      assert.equal(lets(who, allow, deny), named && !deny.some((entry) => names(entry, who)));
    }),
    { numRuns: 3000 },
  );
});

test('permissions of the socket file never keep out whom the descriptor lets in', () => {
  const id = fc.constantFrom(0, me, 1, 2);
  const entry = fc.oneof(fc.record({ user: fc.oneof(id, fc.constantFrom('me', 'everyone')) }), fc.record({ group: id }));
  fc.assert(
    fc.property(fc.array(entry), fc.record({ uid: id, gid: id }), (allow, who) => {
      const descriptor = createSecurityDescriptor({ allow });
      if (checkAccess(descriptor, who, 'connect')) assert.ok(who.uid === 0 || who.uid === me || (fileMode(descriptor) & 0o006) === 0o006);
    }),
  );
});
