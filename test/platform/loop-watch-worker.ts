/** A worker that has nothing to keep its loop alive but a watch. */
import { parentPort } from 'node:worker_threads';
import { orderAfterBell } from './loop-watch-order.js';

const orders: string[][] = [];
for (let i = 0; i < 20; i++) orders.push(await orderAfterBell());
parentPort!.postMessage(orders, []);
