// BullMQ: jobs that are delayed, of different priorities, repeated after a failure, in flows, limited in their rate, and taken up again
// after a worker was lost. Every one of its scripts touches keys that it does not declare.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import Redis from 'ioredis';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';

EventEmitter.defaultMaxListeners = 100;
const connection = new Redis(Number(process.argv[3]), process.argv[2], { maxRetriesPerRequest: null });
const queue = new Queue('work', { connection });
const events = new QueueEvents('work', { connection });
await events.waitUntilReady();

const seen = [];
const worker = new Worker(
  'work',
  async (job) => {
    if (job.data.fails && job.attemptsMade < 2) throw new Error('not yet');
    await job.updateProgress(50);
    await job.log('half of it');
    seen.push(job.name);
    return { doubled: job.data.number * 2 };
  },
  { connection, concurrency: 8 },
);
await worker.waitUntilReady();

const jobs = await queue.addBulk(
  Array.from({ length: 200 }, (_, number) => ({ name: `bulk:${number}`, data: { number }, opts: { priority: 1 + (number % 5) } })),
);
const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 20000)));
assert.deepEqual(results.map((result) => result.doubled), jobs.map((_, number) => number * 2));
assert.equal(new Set(seen).size, 200, 'every job ran once');

const delayed = await queue.add('delayed', { number: 21 }, { delay: 150 });
assert.equal(await delayed.getState(), 'delayed');
assert.deepEqual(await delayed.waitUntilFinished(events, 20000), { doubled: 42 });

const failing = await queue.add('failing', { number: 1, fails: true }, { attempts: 3, backoff: { type: 'fixed', delay: 20 } });
assert.deepEqual(await failing.waitUntilFinished(events, 20000), { doubled: 2 });
assert.deepEqual((await queue.getJobLogs(failing.id)).logs, ['half of it']);

const once = await queue.add('once', { number: 3 }, { jobId: 'the-one' });
const again = await queue.add('once', { number: 4 }, { jobId: 'the-one' });
assert.equal(once.id, again.id);
await once.waitUntilFinished(events, 20000);

const flows = new FlowProducer({ connection });
const flow = await flows.add({
  name: 'parent',
  queueName: 'work',
  data: { number: 5 },
  children: [1, 2, 3].map((number) => ({ name: `child:${number}`, queueName: 'work', data: { number } })),
});
assert.deepEqual(await flow.job.waitUntilFinished(events, 20000), { doubled: 10 });
assert.equal(Object.keys(await flow.job.getChildrenValues()).length, 3);

await queue.upsertJobScheduler('every', { every: 50, limit: 2 }, { name: 'tick', data: { number: 0 } });
const deadline = Date.now() + 20000;
while (seen.filter((name) => name === 'tick').length < 2) {
  assert.ok(Date.now() < deadline, 'the schedule does not tick');
  await new Promise((done) => setTimeout(done, 10));
}

await queue.pause();
const waiting = await queue.add('paused', { number: 6 });
assert.equal(await queue.isPaused(), true);
await queue.resume();
await waiting.waitUntilFinished(events, 20000);
const counts = await queue.getJobCounts();
assert.equal(counts.failed + counts.active + counts.waiting, 0);
assert.ok(counts.completed >= 205, `${counts.completed} jobs are done`);
assert.ok((await queue.getMetrics('completed')) !== undefined);

const limited = new Queue('limited', { connection });
let ran = 0;
const slow = new Worker('limited', async () => { ran += 1; }, { connection, limiter: { max: 5, duration: 100 } });
await limited.addBulk(Array.from({ length: 12 }, (_, number) => ({ name: 'limited', data: { number } })));
while (ran < 12) {
  assert.ok(Date.now() < deadline, 'limited jobs do not run');
  await new Promise((done) => setTimeout(done, 10));
}
await queue.obliterate({ force: true });
await Promise.all([worker, slow, events, queue, limited, flows].map((one) => one.close()));
console.log('ok: BullMQ, %d jobs', seen.length + ran);
process.exit(0);
