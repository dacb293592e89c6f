/**
 * Addresses that rest: ranges that nobody should look at any more, and that somebody may. Node's pool of threads reads and writes by
 * address: a compression that was begun with a view's bytes goes on when the view has been released, and a look at addresses that are
 * no longer mapped would end the process. So a range that is done with stays, as pages of zeros, until such work must be over.
 *
 * How long that is is counted in time during which this process ran: between two ranges that come here a second counts at most, so a
 * process that was stopped for an hour has not grown older by that. Zeros that nobody reads cost addresses alone; those are
 * bounded, and given up before their time where the kernel has no others: the ones that have rested longest first.
 */
import { PROT_READ, PROT_WRITE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE } from './libc.js';
import { mappingQuota } from './mappings.js';
import { lastErrno, libc, SystemError } from './system.js';

/** How long a range rests, in ms. */
const REST = 30_000;
/** The most that counts of it between two that come. */
const LONGEST_STEP = 1000;
/** A process has 65,530 mappings by default, shared by all its threads. */
const MOST_RANGES = 4096;
const MOST_BYTES = 64 * 2 ** 30;

interface Range {
  readonly address: number;
  readonly length: number;
  /** What the clock showed when it came. */
  readonly since: number;
}

/** This thread's, the oldest first; and its clock. */
const resting: Range[] = [];
const state = { bytes: 0, clock: 0, looked: 0 };

/** Lays zero pages over a range, for reading and for writes that nobody sees. Where the kernel has no memory at all for that, what is mapped stays for now. */
export function coverRange(address: number, length: number): void {
  while (libc().mmap(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) === -1 && resting.length > 0) giveUpHalf();
}

/** Nothing in JavaScript names these addresses any more: they are unmapped in a while. */
export function rest(address: number, length: number): void {
  const now = performance.now();
  state.clock += Math.min(now - state.looked, LONGEST_STEP);
  state.looked = now;
  resting.push({ address, length, since: state.clock });
  state.bytes += length;
  const isOver = ({ since }: Range): boolean => state.clock - since >= REST || resting.length > MOST_RANGES || state.bytes > MOST_BYTES;
  while (isOver(resting[0]!)) giveUpOldest();
}

/** Maps a file at new addresses; where there are none, at such as have rested. @throws SystemError */
export function mapFile(fd: number, length: number, protection: number, flags: number): number {
  for (;;) {
    try {
      return mapNow(fd, length, protection, flags);
    } catch (error) {
      if (!(error instanceof SystemError) || error.errno !== 'ENOMEM' || resting.length === 0) throw error;
    }
    giveUpHalf();
  }
}

/** Unmaps a range that no buffer names. */
export function unmapFile(address: number, length: number): void {
  libc().munmap(address, length);
  mappingQuota.giveBack(1);
}

function mapNow(fd: number, length: number, protection: number, flags: number): number {
  mappingQuota.take(1);
  const address = libc().mmap(0, length, protection, flags, fd, 0);
  if (address !== -1) return address;
  const errno = lastErrno();
  mappingQuota.giveBack(1);
  throw new SystemError('mmap', errno);
}

function giveUpHalf(): void {
  for (let left = Math.ceil(resting.length / 2); left > 0; left--) giveUpOldest();
}

function giveUpOldest(): void {
  const { address, length } = resting.shift()!;
  state.bytes -= length;
  unmapFile(address, length);
}
