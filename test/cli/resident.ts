/**
 * A process that runs the command as often as it is asked: each run as in a process of its own, with its own arguments, environment and
 * output, without the third of a second that a process takes to start.
 */
import { run } from '../../src/cli/run.js';

export interface Asked {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface Told {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

process.on('message', ({ args, env }: Asked) => {
  void answer(args, env).then((told) => process.send!(told));
});
process.send!('ready');

async function answer(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Told> {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  const [out, errors] = [capture(process.stdout), capture(process.stderr)];
  try {
    const code = await run(args);
    return { code, out: out.text(), errors: errors.text() };
  } finally {
    for (const { release } of [out, errors]) release();
    process.exitCode = 0;
  }
}

function capture(stream: NodeJS.WriteStream): { text: () => string; release: () => void } {
  const write = stream.write.bind(stream);
  let text = '';
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
    if (done !== undefined) process.nextTick(done);
    return true;
  };
  return {
    text: () => text,
    release: () => {
      stream.write = write;
    },
  };
}
