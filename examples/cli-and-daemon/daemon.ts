/** The daemon: keeps notes in memory, tells followers of new ones, and ends when it is asked to. */
import { EventEmitter, on } from 'node:events';
import { Fault, serve } from '../../src/rpc/index.js';
import { ENDPOINT, type Note, Notes } from './notes.js';

const notes = new Map<number, Note>();
const news = new EventEmitter<{ added: [Note] }>();
let lastId = 0;

const server = await serve(
  Notes,
  {
    add(text, { caller }) {
      const note = { id: ++lastId, text, uid: caller.uid, written: new Date() };
      notes.set(note.id, note);
      news.emit('added', note);
      return note;
    },
    remove(id) {
      const note = notes.get(id);
      if (note === undefined) throw new Fault('noSuchNote', { id });
      notes.delete(id);
      return note;
    },
    list: () => [...notes.values()],
    async *follow(_, { signal }) {
      try {
        for await (const [note] of on(news, 'added', { signal })) yield note as Note;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    stop: () => void setImmediate(() => void server.close({ timeout: 1000 })),
  },
  { endpoint: ENDPOINT },
);
