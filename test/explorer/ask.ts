/**
 * One request to the explorer, by hand: no client changes the path or adds a header. (`fetch` would not do: a response that it has not read when
 * the server closes the connection may end the process, on Node 22 and 24; nodejs/undici#5360.)
 */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

export interface Question {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
}

export function ask(port: number, path: string, { token, headers = {}, method = 'GET' }: Question = {}): Promise<Answer> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers: { ...authorization, ...headers }, agent: false }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode!, headers: answer.headers, body }), reject);
    });
    asked.on('error', reject).end();
  });
}
