/**
 * Users and groups by name and by number, as /etc/passwd and /etc/group say. Directories beyond these files (LDAP and the like) are not
 * asked: the numbers always work. Nothing is kept, so that a change of the files is seen at the next look.
 */
import { readFileSync } from 'node:fs';

export function userNamed(name: string): number | undefined {
  return numberOf('/etc/passwd', name);
}

export function groupNamed(name: string): number | undefined {
  return numberOf('/etc/group', name);
}

export function userName(uid: number): string | undefined {
  return nameOf('/etc/passwd', uid);
}

export function groupName(gid: number): string | undefined {
  return nameOf('/etc/group', gid);
}

function nameOf(file: string, number: number): string | undefined {
  return linesOf(file).map((line) => line.split(':')).find(([, , third]) => third === String(number))?.[0];
}

/** Both files are lines of fields between colons: the name, a password's place, the number. */
function numberOf(file: string, name: string): number | undefined {
  const number = linesOf(file).map((line) => line.split(':')).find(([first]) => first === name && name !== '')?.[2] ?? '';
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return []; // a container without the file has no names
  }
}
