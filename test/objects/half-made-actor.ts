/**
 * A server that is killed half way: it takes the steps of making a port's name, or of giving it back, one by one in the
 * order in which the library takes them, and kills itself after the one that it is told.
 */
import { changeMode, Descriptor, OPEN, openAbsolute, openBeneath, removeName, renameIn } from '../../src/platform/directory.js';
import { lockDirectory, LockedDirectory, runBlocking } from '../../src/platform/file-lock.js';
import { bindIn, listenOn } from '../../src/platform/listener.js';
import { createSeqpacketSocket } from '../../src/platform/unix-socket.js';
import { actorArguments } from '../support/actor.js';

const [path, leaf, point] = actorArguments() as [string, string, string];

function reached(step: string): void {
  if (step === point) process.kill(process.pid, 'SIGKILL');
}

const directory = new LockedDirectory(openAbsolute(path, OPEN.read).take());
const socket = new Descriptor(createSeqpacketSocket());
const temporary = `.alpc-${process.geteuid!()}`;
runBlocking(lockDirectory(directory.fd, Infinity));
reached('lock');
bindIn(socket.fd, directory.fd, temporary);
reached('bind');
changeMode(openBeneath(directory.fd, temporary, OPEN.link).fd, 0o600);
reached('chmod');
listenOn(socket.fd, 5);
reached('listen');
renameIn(directory.fd, temporary, leaf, true);
reached('rename');
directory[Symbol.dispose]();
reached('unlock');
const again = new LockedDirectory(openAbsolute(path, OPEN.read).take());
runBlocking(lockDirectory(again.fd, Infinity));
reached('remove-lock');
removeName(again.fd, leaf, 'other');
reached('remove-unlink');
