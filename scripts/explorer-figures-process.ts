/** One of the processes that `npm run bench:explorer` looks at: `serve <name>`, or `connect <name>...`. It says when it is ready, and does nothing from then on. */
import { type ClientPort, type ConnectionPort, connectPort, createPort } from '../src/ports/index.js';

const [task, ...names] = process.argv.slice(2);
const kept: (ConnectionPort | ClientPort)[] = [];

for (const name of names) {
  if (task === 'serve') kept.push(await serve(name));
  else kept.push(await connect(name));
}
process.on('disconnect', () => process.exit());
process.send!('ready', () => void kept);

async function serve(name: string): Promise<ConnectionPort> {
  const port = await createPort(name);
  port.on('message', (message) => message.type === 'request' && message.reply('an answer'));
  return port;
}

async function connect(name: string): Promise<ClientPort> {
  const client = await connectPort(name);
  await client.request('a question');
  return client;
}
