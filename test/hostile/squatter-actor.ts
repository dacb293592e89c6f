/**
 * Who does not take the lock, and wants what a name stands for to be his: he makes one thing after the other under the name, and
 * takes it away again, as fast as he can. Of another user, or of the same one with two directories that change places.
 */
import { closeSync, linkSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { libc } from '../../src/platform/system.js';
import { obey, tell } from '../support/actor.js';
import { HandListener } from './peer.js';

export type SquatterOrder = { type: 'squat'; directory: string; leaf: string; foreign: string } | { type: 'swap'; one: string; two: string } | { type: 'stop' };
export type SquatterNews = { type: 'ready' | 'running' } | { type: 'stopped'; times: number; succeeded: number };

const RENAME_EXCHANGE = 2;
const RENAMEAT2 = process.arch === 'arm64' ? 276 : 316;
const state = { running: false, times: 0, succeeded: 0 };

/** Does it again and again, with a turn for orders now and then. */
function forever(act: () => void): void {
  state.running = true;
  const turn = (): void => {
    for (let i = 0; i < 50 && state.running; i++) {
      state.times++;
      try {
        act();
        state.succeeded++;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined && !(error instanceof Error)) throw error;
      }
    }
    if (state.running) setImmediate(turn);
    else tell<SquatterNews>({ type: 'stopped', times: state.times, succeeded: state.succeeded });
  };
  tell<SquatterNews>({ type: 'running' });
  setImmediate(turn);
}

obey<SquatterOrder>({
  squat: ({ directory, leaf, foreign }) => {
    libc().umask(0);
    const path = join(directory, leaf);
    const own = `${path}-${process.getuid!()}`;
    const makes = [
      () => new HandListener(path).close(),
      () => mkdirSync(path),
      () => symlinkSync(foreign, path),
      () => symlinkSync('/etc', path),
      () => linkSync(own, path),
      () => linkSync(foreign, path),
      () => writeFileSync(path, '', { flag: 'wx' }),
      () => renameSync(own, path),
      () => mkdirSync(join(directory, '.alpc-0')),
      () => symlinkSync(foreign, join(directory, '.alpc-0')),
      () => renameSync(path, `${path}-away`),
    ];
    closeSync(openSync(own, 'w'));
    forever(() => {
      makes[state.times % makes.length]!();
      rmSync(path, { recursive: true });
    });
  },
  swap: ({ one, two }) => forever(() => {
    if (libc().syscall_renameat2(RENAMEAT2, -100, one, -100, two, RENAME_EXCHANGE) < 0) throw new Error('they do not change places');
  }),
  stop: () => {
    state.running = false;
  },
});
tell<SquatterNews>({ type: 'ready' });
