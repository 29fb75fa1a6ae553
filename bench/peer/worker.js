// Drains the queue `noop` with BullMQ's own worker, one log line a completed job, and reports how long it took.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import pino from 'pino';

const { REDIS_SOCKET, REDIS_DB = '0', MODE, COUNT = '20000', CONCURRENCY = '50' } = process.env;
const count = Number(COUNT);
const connection = new Redis({ path: REDIS_SOCKET, db: Number(REDIS_DB), maxRetriesPerRequest: null });
const log = pino(pino.destination(process.env.LOG_FILE ?? 1));
const report = (result) => process.stderr.write(`${JSON.stringify(result)}\n`);

async function fill() {
  const queue = new Queue('noop', { connection, prefix: 'peer' });
  const options = { attempts: 3, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: 1000 };
  for (let start = 0; start < count; start += 1000) {
    const size = Math.min(1000, count - start);
    await queue.addBulk(
      Array.from({ length: size }, (_, index) => ({
        name: 'bench.noop',
        data: { organization_id: '01920000-0000-7000-8000-000000000001', payload: { number: start + index } },
        opts: options,
      })),
    );
  }
  report({ filled: count });
  await queue.close();
}

async function drain() {
  let done = 0;
  let first = 0n;
  let spent;
  const worker = new Worker(
    'noop',
    async () => {
      if (first === 0n) {
        first = process.hrtime.bigint();
        spent = process.cpuUsage();
      }
      return null;
    },
    { connection, prefix: 'peer', concurrency: Number(CONCURRENCY) },
  );
  await new Promise((resolve) => {
    worker.on('completed', (job) => {
      done += 1;
      log.info({ job: job.id, type: job.name, ms: job.finishedOn - job.processedOn }, 'completed');
      if (done === count) resolve();
    });
  });
  const { user, system } = process.cpuUsage(spent); // of this process alone, from its first job on
  report({ jobs: done, seconds: Number(process.hrtime.bigint() - first) / 1e9, cpu: (user + system) / 1e6 });
  await worker.close();
}

async function latency() {
  const queue = new Queue('noop', { connection, prefix: 'peer' });
  const workerConnection = connection.duplicate();
  let started;
  const worker = new Worker('noop', async () => started(performance.now()), {
    connection: workerConnection,
    prefix: 'peer',
    concurrency: Number(CONCURRENCY),
  });
  await worker.waitUntilReady();
  const samples = [];
  for (let index = 0; index < count; index += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 100));
    const handled = new Promise((resolve) => {
      started = resolve;
    });
    await queue.add('bench.noop', { number: index }, { removeOnComplete: true });
    const committed = performance.now();
    samples.push(Math.max(0, (await handled) - committed));
  }
  report({ samples });
  await worker.close();
  await queue.close();
  workerConnection.disconnect();
}

await { fill, drain, latency }[MODE]();
connection.disconnect();
