/** Who may do what with the object, and the permission bits that say so on disk. It is shown and can't be changed here. */
import { printable } from '../../../src/base/printable.js';
import type { AccessEntry, PortAccess } from '../../../src/explorer/model.js';
import { formatAccount, plural } from '../../logic/format.js';
import { Facts } from './parts.js';
import type { TabProps } from './properties-dialog.js';

const WHO = { owner: 'Owner', group: 'Group', everyone: 'Everyone else' } as const;

export function SecurityTab({ details: { type, security, owner, group, mode, permissions, port } }: TabProps) {
  const rights = [...new Set(security.flatMap((line) => line.rights))];
  return (
    <>
      <table class="table">
        <caption>Rights that the permissions give</caption>
        <thead><tr><th scope="col">Who</th><th scope="col">Account</th>{rights.map((right) => <th key={right} scope="col" class="mark">{right}</th>)}</tr></thead>
        <tbody>
          {security.map((line) => (
            <tr key={line.who}>
              <th scope="row">{WHO[line.who]}</th>
              <td>{line.account === undefined ? '' : formatAccount(line.account)}</td>
              {rights.map((right) => <td key={right} class={`mark ${line.rights.includes(right) ? 'yes' : 'no'}`}>{line.rights.includes(right) ? '✓ yes' : 'no'}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {type === 'ALPC Port' ? <Access access={port?.access} isOpen={security.some(({ who }) => who === 'everyone')} /> : null}
      <Facts
        facts={[
          ['Owner', formatAccount(owner)], ['Group', formatAccount(group)],
          ['Permissions', <code key="bits">{`${permissions} (${(mode & 0o7777).toString(8).padStart(4, '0')})`}</code>],
        ]}
      />
      <p class="remark">Root may do everything. Whoever may not pass the directories above reaches nothing that stands below them.</p>
    </>
  );
}

/** The bits say who reaches the server; whom it then lets in it says itself. */
function Access({ access, isOpen }: { access: PortAccess | undefined; isOpen: boolean }) {
  if (access === undefined) return isOpen ? <p class="remark">Whom the server lets in of these can't be seen.</p> : null;
  const lines = [...access.deny.map((entry) => ({ ...entry, denies: true })), ...access.allow.map((entry) => ({ ...entry, denies: false }))];
  return (
    <>
      <table class="table">
        <caption>What the server says that it allows and denies</caption>
        <thead><tr><th scope="col">Who</th><th scope="col">Rights</th><th scope="col" class="mark">Rule</th></tr></thead>
        <tbody>
          {lines.map(({ rights, denies, ...who }, index) => (
            <tr key={index}>
              <th scope="row">{whom(who)}</th>
              <td>{printable(rights.join(', '))}</td>
              <td class={`mark ${denies ? 'denied' : 'yes'}`}>{denies ? '✕ deny' : '✓ allow'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {access.more === undefined ? null : <p class="remark">And {plural(access.more, 'entry', 'entries')} more.</p>}
      <p class="remark">An entry that denies wins; whom none allows is kept out.</p>
    </>
  );
}

/** An entry is about whoever is all that it names. */
function whom({ user, group, executable, session, label }: Omit<AccessEntry, 'rights'>): string {
  const parts = [
    user === undefined ? undefined : user === 'everyone' ? 'Everyone' : `User ${formatAccount(user)}`,
    group && `Group ${formatAccount(group)}`,
    executable && `Program ${printable(executable)}`,
    session === undefined ? undefined : `Session ${session}`,
    label && `Label ${printable(label)}`,
  ];
  return parts.filter((part) => part !== undefined).join(' and ');
}
