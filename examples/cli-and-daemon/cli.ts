/**
 * The command line: `notes add <text> | remove <id> | list | follow <count> | stop`. The daemon is started by whoever finds none. It uses
 * blocking calls where it can: a command line has nothing else to do.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AlpcError, bindSync, Fault } from '../../src/rpc/index.js';
import { ENDPOINT, type Note, Notes } from './notes.js';

function connect(): ReturnType<typeof bindSync<(typeof Notes)['methods']>> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return bindSync(Notes, ENDPOINT, { timeout: 5000 });
    } catch (error) {
      if (!AlpcError.is(error) || error.code !== 'ERR_ALPC_NAME_NOT_FOUND') throw error;
      if (isFirst) spawn(process.execPath, [fileURLToPath(new URL('./daemon.js', import.meta.url))], { detached: true, stdio: 'ignore' }).unref();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20); // it is starting
    }
  }
}

const show = ({ id, text, uid }: Note): string => `${id}. ${text} (user ${uid})`;

async function main([command, argument = '']: string[]): Promise<void> {
  using notes = connect();
  switch (command) {
    case 'add':
      return console.log(show(notes.add.sync(argument)));
    case 'remove':
      try {
        return console.log(`removed: ${show(notes.remove.sync(Number(argument)))}`);
      } catch (error) {
        if (!Fault.is(error, Notes.methods.remove, 'noSuchNote')) throw error;
        process.exitCode = 1;
        return console.error(`there is no note ${error.data.id}`);
      }
    case 'list':
      return notes.list.sync().forEach((note) => console.log(show(note)));
    case 'follow': {
      let count = Number(argument);
      console.log('following');
      for await (const note of notes.follow()) {
        console.log(show(note));
        if (--count === 0) break;
      }
      return undefined;
    }
    case 'stop':
      return notes.stop.sync();
    default:
      process.exitCode = 2;
      return console.error('notes add <text> | remove <id> | list | follow <count> | stop');
  }
}

await main(process.argv.slice(2));
