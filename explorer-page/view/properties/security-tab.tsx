/** Who may do what with the object, and the permission bits that say so on disk. It is shown and can't be changed here. */
import { formatAccount } from '../../logic/format.js';
import { Facts } from './parts.js';
import type { TabProps } from './properties-dialog.js';

const WHO = { owner: 'Owner', group: 'Group', everyone: 'Everyone else' } as const;

export function SecurityTab({ details: { security, owner, group, mode, permissions } }: TabProps) {
  const rights = [...new Set(security.flatMap((line) => line.rights))];
  return (
    <>
      <table class="table">
        <caption>Rights</caption>
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
