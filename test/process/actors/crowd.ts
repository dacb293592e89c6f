/**
 * A crowd of clients in one process. Each posts and asks as soon as it is connected, all at once; what was answered wrongly is
 * told, then all leave. Its arguments are its name and how many there are.
 */
import { connectPort } from '../../../src/ports/index.js';
import { actorArguments, tell } from '../../support/actor.js';
import { numbers } from '../expect.js';
import { NAME } from '../serving.js';

export type News = { type: 'done'; wrong: string[] };

const [crowd, count] = actorArguments() as [string, string];
const wrong: string[] = [];
const clients = await Promise.all(numbers(Number(count)).map(async (number) => {
  const who = `client ${crowd}.${number}`;
  const client = await connectPort(NAME, { data: who });
  for (const message of numbers(10)) await client.post(`${who} says ${message}`);
  const reply = (await client.request(`${who} asks`)).data.toString();
  if (reply !== `${who} ${who} asks`) wrong.push(`${who} got ${reply}`);
  return client;
}));
tell<News>({ type: 'done', wrong });
for (const client of clients) client.close();
process.disconnect();
