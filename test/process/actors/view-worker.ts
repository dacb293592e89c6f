/** A thread that sends a view, gets one in answer, says what it saw, and keeps it until it is ended. */
import { workerData } from 'node:worker_threads';
import { connectPort } from '../../../src/index.js';

const client = await connectPort(workerData as string, { accepts: ['view'] });
const view = client.createSection(4096).createView(4096);
view.bytes.fill(7);
const reply = client.requestSync('', { view });
const { bytes } = reply.view!;
await client.post(`all ${bytes.every((byte) => byte === bytes[0]) ? bytes[0] : 'mixed'}`);
setInterval(() => bytes[0], 1000);
