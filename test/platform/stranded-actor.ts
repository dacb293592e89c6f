/** A process whose thread acts as somebody else, and whose way back the kernel refuses. What it was told to do behind it must not be done. */
import { writeFileSync } from 'node:fs';
import { runAs } from '../../src/platform/impersonation.js';
import { libc } from '../../src/platform/system.js';

const [end, file] = process.argv.slice(2) as ['returns' | 'throws', string];
const somebody = { uid: 54_322, gid: 54_323, groups: [54_324] };

try {
  runAs(somebody, () => {
    writeFileSync(file, '');
    libc().syscall_groups = () => -1; // from here on no list of groups is taken
    if (end === 'throws') throw new Error('as somebody else');
  });
} catch {
  // it goes on
}
writeFileSync(`${file}, and went on`, '');
