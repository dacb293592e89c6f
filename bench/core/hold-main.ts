/** `hold-main.js <peer> <address> <count>`: connects so often, says 'ready', and keeps the connections until it is ended. */
import { peerNamed } from '../peers/index.js';

const [name, address, count] = process.argv.slice(2) as [string, string, string];
const peer = await peerNamed(name).load();

process.on('disconnect', () => process.exit());
await peer.hold!(address, Number(count));
process.send!('ready');
