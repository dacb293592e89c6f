/** A server of the lively scene: answers everything, at once or after a while, until the process that started it is gone. */
import { createPort } from '../../src/index.js';

const [name, delay] = [process.argv[2]!, Number(process.argv[3])];
const port = await createPort(name);

port.on('message', (message) => {
  if (message.type !== 'request') return;
  if (delay === 0) message.reply(`${name} has heard ${message.dataLength} bytes`);
  else setTimeout(() => message.isPending && message.reply(`${name} has thought for ${delay} ms`), delay * (0.5 + Math.random()));
});

process.on('disconnect', () => process.exit());
process.send!('ready');
