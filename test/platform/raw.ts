/**
 * System calls that alpc itself never makes, for tests that attack it or that set the stage: another koffi binding, so that
 * the library's own table of functions stays as small as it is.
 */
import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { errnoName } from '../../src/platform/libc.js';

const library = koffi.load(null);

const functions = {
  fallocate: library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)') as (fd: number, mode: number, offset: number, length: number) => number,
  madvise: library.func('int madvise(intptr_t address, size_t length, int advice)') as (address: number, length: number, advice: number) => number,
  mprotect: library.func('int mprotect(intptr_t address, size_t length, int protection)') as (address: number, length: number, protection: number) => number,
  pwrite: library.func('long pwrite(int fd, void *data, size_t length, int64_t offset)') as (fd: number, data: Uint8Array, length: number, offset: number) => number,
  setrlimit: library.func('int setrlimit(int resource, void *limits)') as (resource: number, limits: BigUint64Array) => number,
  fsopen: library.func('long syscall(long number, const char *type, long flags)') as (number: number, type: string, flags: number) => number,
  fsconfig: library.func('long syscall(long number, long context, long command, const char *key, const char *value, long more)') as (number: number, context: number, command: number, key: string | null, value: string | null, more: number) => number,
  fsmount: library.func('long syscall(long number, long context, long flags, long attributes)') as (number: number, context: number, flags: number, attributes: number) => number,
  setgroups: library.func('int setgroups(size_t count, void *groups)') as (count: number, groups: Uint32Array) => number,
};

/** 'ok', or the errno's name: what a test asserts about an attack. */
export type Outcome = string;

const outcome = (result: number): Outcome => (result >= 0 ? 'ok' : errnoName(koffi.errno()));

/** Makes a hole of zeros in a file. */
export function punchHole(fd: number, offset: number, length: number): Outcome {
  return outcome(functions.fallocate(fd, 3, offset, length));
}

/** Writes zeros over a stretch of a file, by fallocate. */
export function zeroRange(fd: number, offset: number, length: number): Outcome {
  return outcome(functions.fallocate(fd, 0x10, offset, length));
}

export function grow(fd: number, size: number): Outcome {
  return outcome(functions.fallocate(fd, 0, 0, size));
}

/** Makes a hole of zeros in the file that is mapped here. */
export function adviseRemoval(address: number, length: number): Outcome {
  return outcome(functions.madvise(address, length, 9));
}

export function protect(address: number, length: number, protection: number): Outcome {
  return outcome(functions.mprotect(address, length, protection));
}

export function writeAt(fd: number, data: Uint8Array, offset: number): Outcome {
  return outcome(functions.pwrite(fd, data, data.length, offset));
}

/** How many descriptors this process may have from now on. */
export function limitDescriptors(count: number): Outcome {
  return outcome(functions.setrlimit(7, BigUint64Array.of(BigInt(count), 4096n)));
}

/** How many bytes of addresses this process may have from now on; Infinity for as many as there are. */
export function limitAddresses(bytes: number): Outcome {
  const unlimited = 2n ** 64n - 1n;
  return outcome(functions.setrlimit(9, BigUint64Array.of(bytes === Infinity ? unlimited : BigInt(bytes), unlimited)));
}

export function becomeMemberOf(groups: readonly number[]): Outcome {
  return outcome(functions.setgroups(groups.length, Uint32Array.from(groups)));
}

/** A file system of this type, mounted nowhere: a descriptor of its root, or the errno's name. What is null of its options is a mere flag. */
export function mountNowhere(type: string, options: Readonly<Record<string, string | null>>): number | Outcome {
  const context = functions.fsopen(430, type, 1);
  if (context < 0) return outcome(context);
  try {
    for (const [key, value] of Object.entries(options)) {
      const result = functions.fsconfig(431, context, value === null ? 0 : 1, key, value, 0);
      if (result < 0) return `${key}: ${outcome(result)}`;
    }
    const made = functions.fsconfig(431, context, 6, null, null, 0);
    const root = made < 0 ? made : functions.fsmount(432, context, 1, 0);
    return root < 0 ? outcome(root) : root;
  } finally {
    closeSync(context);
  }
}
