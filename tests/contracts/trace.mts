/**
 * Runs a fixed script on a virtual clock and prints a digest of every tracepoint event, in order. The same on every
 * engine and host: `npx tsx tests/contracts/trace.mts [--events]`.
 */
import { createHash } from 'node:crypto';
import { Machine } from '../../packages/vitrine/src/index.ts';
import { traceScript } from './deterministic.ts';

const { digest, events, output } = await traceScript((options) => Machine.boot(options), (text) => createHash('sha256').update(text).digest('hex')); // prettier-ignore
if (process.argv.includes('--events')) console.log(events.join('\n'));
console.log(output.trim());
console.log(`${events.length} events ${digest}`);
