/** What every object has, then what its type has. */
import type { ComponentChildren } from 'preact';
import { printable } from '../../../src/base/printable.js';
import type { ObjectDetails, ObjectType } from '../../../src/explorer/model.js';
import { formatAccount, formatBytes, formatCount, formatProblem, formatProcess, formatTime, plural } from '../../logic/format.js';
import { leadOf } from '../../logic/links.js';
import { TYPES } from '../../logic/list-rows.js';
import { leafOf } from '../../logic/names.js';
import type { Explorer } from '../explorer.js';
import { Facts, Meter, Processes, seen } from './parts.js';
import type { TabProps } from './properties-dialog.js';

const DESCRIPTIONS: Readonly<Record<ObjectType, string>> = {
  Directory: 'Holds other objects under their names',
  'ALPC Port': 'A connection port: clients connect to its server by this name',
  Section: 'Memory that processes share',
  Event: 'Tells whoever waits that something has happened',
  SymbolicLink: 'Leads to another name',
  Unknown: 'A kind of file that stands for no object',
};

export function DetailsTab({ explorer, details }: TabProps) {
  const { name, type, path, owner, created, references, handles, holders, holdersComplete } = details;
  return (
    <>
      <Facts
        facts={[
          ['Name', <code key="name">{printable(leafOf(name))}</code>], ['Full name', <code key="full">{printable(name)}</code>], ['Type', type], ['Description', DESCRIPTIONS[type]], ...ofType(explorer, details),
          ['Owner', formatAccount(owner)], ['Created', created && formatTime(created)], ['References', formatCount(references)],
          ['Handles', holdersComplete ? formatCount(handles) : `${formatCount(handles)} visible, there may be more`], ['On disk', <code key="path">{printable(path)}</code>],
        ]}
      />
      {holders.length === 0 ? <p class="remark">{holdersComplete ? 'No process has it open.' : 'No process that can be seen has it open.'}</p> : <Processes processes={holders} caption="Processes that have it open" />}
    </>
  );
}

function ofType(explorer: Explorer, details: ObjectDetails): (readonly [string, ComponentChildren | undefined])[] {
  const { port, directory, section, event, target } = details;
  return [
    ...(port === undefined ? [] : [
      ['State', <span key="state" class={`port-state ${port.state}`}>{port.state === 'dead' ? 'dead: the server has gone and left the name' : port.state}</span>],
      ['Server', port.server === undefined ? 'not visible' : formatProcess(port.server)],
      ['Connections', port.connectionQuota === undefined ? seen(port.totals.connections) : <Meter key="quota" usage={port.connectionQuota} label="Connections" />],
      ['Waiting to connect', port.backlog === undefined ? undefined : <Meter key="backlog" usage={{ used: port.backlog.waiting, limit: port.backlog.limit }} label="Waiting to connect" />],
    ] as const),
    ...(directory === undefined ? [] : [['Contents', directory.unreadable === undefined ? contentsOf(directory) : formatProblem(directory.unreadable)]] as const),
    ...(section === undefined ? [] : [['Size', `${formatBytes(section.bytes)} (${plural(section.bytes, 'byte')})`]] as const),
    ...(event === undefined ? [] : [['Kind', event.kind === undefined ? 'not visible' : `${event.kind} event`], ['Signaled', event.signaled === undefined ? 'not visible' : event.signaled ? 'yes' : 'no']] as const),
    ...(target === undefined ? [] : [['Target', <code key="target">{printable(target)}</code>], ['Leads to', <LeadsTo key="lead" explorer={explorer} link={details} />]] as const),
  ];
}

function LeadsTo({ explorer, link }: { explorer: Explorer; link: ObjectDetails }) {
  const lead = leadOf(explorer.namespace, link);
  if ('to' in lead) return <GoTo explorer={explorer} name={lead.to} />;
  return <>{lead.problem === 'nowhere' ? 'no object' : 'no object, it leads in a circle'}</>;
}

function GoTo({ explorer, name }: { explorer: Explorer; name: string }) {
  return (
    <button
      type="button" class="link-button"
      onClick={() => {
        explorer.properties.value = undefined;
        explorer.go(name);
      }}
    >
      {printable(name)}
    </button>
  );
}

function contentsOf({ objects, byType }: NonNullable<ObjectDetails['directory']>): string {
  if (objects === undefined) return 'not visible';
  const parts = TYPES.flatMap((type) => (byType?.[type] === undefined ? [] : [`${formatCount(byType[type])} ${type}`]));
  return parts.length === 0 ? plural(objects, 'object') : `${plural(objects, 'object')}: ${parts.join(', ')}`;
}
