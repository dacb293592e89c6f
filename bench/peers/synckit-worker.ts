/** The worker of `synckit.ts`: gives the bytes back. */
import { runAsWorker } from 'synckit';

runAsWorker((data: Uint8Array) => Promise.resolve(data));
