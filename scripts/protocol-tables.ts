/**
 * Writes the tables of docs/protocol.md from the layout that the code uses: `node dist/scripts/protocol-tables.js`.
 * A test compares them, so the page can't drift from the code.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { CONTROL_FIELDS, DIRECT_FIELDS, type Field, HANDLE_FIELDS, RECORD_FIELDS, SECURITY_FIELDS, VIEW_FIELDS, WAIT_PAGE_FIELDS, WORK_FIELDS } from '../src/memory/layout.js';

const PAGE = new URL('../../docs/protocol.md', import.meta.url);
const TABLES = { control: CONTROL_FIELDS, record: RECORD_FIELDS, view: VIEW_FIELDS, handle: HANDLE_FIELDS, security: SECURITY_FIELDS, direct: DIRECT_FIELDS, work: WORK_FIELDS, 'wait-page': WAIT_PAGE_FIELDS } as const;

/** The page with its tables as they must be. */
export function withTables(page: string): string {
  return Object.entries(TABLES).reduce((text, [name, fields]) => {
    const [begin, end] = [`<!-- table:${name} -->`, `<!-- /table:${name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`docs/protocol.md has no place for table ${name}`);
    return `${text.slice(0, from)}${begin}\n${table(fields)}\n${text.slice(to)}`;
  }, page);
}

export function readPage(): string {
  return readFileSync(PAGE, 'utf8');
}

function table(fields: readonly Field[]): string {
  const rows = fields.map((field) => `| ${field.offset} | \`${field.name}\` | ${field.atomic === true ? 'atomic' : ''} | ${field.meaning} |`);
  return ['| offset | word | | meaning |', '|---:|---|---|---|', ...rows].join('\n');
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1)!)) writeFileSync(PAGE, withTables(readPage()));
