/** Sends one view, and waits to be killed. */
import { connectPort } from '../../../src/index.js';
import { actorArguments } from '../../support/actor.js';

const client = await connectPort(actorArguments()[0]!);
const view = client.createSection(10_000).createView(10_000);
view.bytes.fill(42);
await client.post('', { view });
process.on('disconnect', () => process.exit());
