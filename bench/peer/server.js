// The ingestion service of Singr once more: signed, idempotent, validated POST /v1/jobs, on Fastify and BullMQ.
// Written to be as fast as Fastify allows without leaving anything out that Singr does: three round trips to Redis
// a request (admission as one script, the job, the stored answer), all pipelined with those of other requests.
import { createHmac, createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { createJob } from './schema.js';

const { PORT, REDIS_SOCKET, REDIS_DB = '0', SIGNING_SECRET, KEY_ID = 'env', RATE_LIMIT = '600' } = process.env;
const TOLERANCE = 300;
const RECORD_LIFE = 48 * 3600;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const QUEUES = { 'sms.send': 'sms', 'email.send': 'email' };
const PRIORITIES = { high: 1, low: 10 };

const redisOptions = { path: REDIS_SOCKET, db: Number(REDIS_DB), enableAutoPipelining: true, maxRetriesPerRequest: null };
const redis = new Redis(redisOptions);
redis.defineCommand('admit', { numberOfKeys: 3, lua: readFileSync(new URL('admit.lua', import.meta.url), 'utf8') });
const connection = new Redis(redisOptions);
const queues = Object.fromEntries(
  Object.values(QUEUES).map((name) => [
    name,
    new Queue(name, {
      connection,
      prefix: 'peer',
      defaultJobOptions: {
        attempts: 3,
        backoff: { type: 'exponential', delay: 1000 },
        removeOnComplete: { age: 86400, count: 1000 },
        removeOnFail: { age: 7 * 86400 },
      },
    }),
  ]),
);

const registry = new Registry();
collectDefaultMetrics({ register: registry });
const labelNames = ['method', 'route', 'status'];
const requests = new Counter({ name: 'http_requests_total', help: 'Requests', labelNames, registers: [registry] });
const latency = new Histogram({ name: 'http_request_seconds', help: 'Latency', labelNames, registers: [registry] });
const enqueue = new Histogram({ name: 'enqueue_seconds', help: 'Time to enqueue', registers: [registry] });

const app = Fastify({
  logger: { level: process.env.LOG_LEVEL ?? 'info' },
  disableRequestLogging: true, // one line a request below, as Singr writes, in place of Fastify's two
  bodyLimit: 1024 * 1024,
  genReqId: (request) => {
    const given = request.headers['x-request-id'];
    return given && REQUEST_ID.test(given) ? given : randomUUID();
  },
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false, discriminator: true } },
});

class Problem extends Error {
  constructor(status, slug, detail) {
    super(detail);
    this.statusCode = status;
    this.slug = slug;
  }
}

const parseJson = app.getDefaultJsonParser('error', 'error');
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
  request.rawBody = body;
  parseJson(request, body.toString('utf8'), done);
});
app.decorateRequest('rawBody', null);
app.decorateRequest('bodyHash', '');

app.addHook('onSend', async (request, reply) => {
  reply.header('x-request-id', request.id);
  reply.header('x-content-type-options', 'nosniff');
});

app.addHook('onResponse', async (request, reply) => {
  const route = request.routeOptions.url ?? 'unmatched';
  const labels = { method: request.method, route, status: reply.statusCode };
  requests.inc(labels);
  latency.observe(labels, reply.elapsedTime / 1000);
  request.log.info(
    { correlation_id: request.id, method: request.method, path: route, status: reply.statusCode, ms: reply.elapsedTime },
    'request',
  );
});

app.setErrorHandler((error, request, reply) => {
  const status = error.validation ? 422 : (error.statusCode ?? 500);
  if (status >= 500) request.log.error(error);
  reply.code(status).type('application/problem+json');
  return JSON.stringify({
    type: `https://singrkaraoke.com/problems/${error.slug ?? (error.validation ? 'invalid-request' : 'error')}`,
    title: error.slug ?? 'error',
    status,
    detail: status >= 500 ? 'internal error' : error.message,
    request_id: request.id,
  });
});

async function verifySignature(request) {
  const key = request.headers['x-singr-key'];
  const timestamp = request.headers['x-singr-timestamp'];
  const nonce = request.headers['x-singr-nonce'];
  const signature = request.headers['x-singr-signature'];
  if (!key || !timestamp || !nonce || !signature) throw new Problem(401, 'signature-missing', 'signature headers');
  if (key !== KEY_ID || !NONCE.test(nonce)) throw new Problem(401, 'signature-invalid', 'unknown key or bad nonce');
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE)) {
    throw new Problem(401, 'signature-stale', 'timestamp too far from now');
  }
  const body = request.rawBody ?? Buffer.alloc(0);
  request.bodyHash = createHash('sha256').update(body).digest('hex');
  const text = `${request.method}\n${request.url}\n${timestamp}\n${nonce}\n${request.bodyHash}`;
  const wanted = Buffer.from(`v1=${createHmac('sha256', SIGNING_SECRET).update(text).digest('hex')}`);
  const given = Buffer.from(signature);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new Problem(401, 'signature-invalid', 'signature does not match');
  }
}

async function createOne(request, reply) {
  const job = request.body;
  const idempotencyKey = request.headers['idempotency-key'];
  const record = `idem:${job.organization_id}:${idempotencyKey}`;
  const [verdict, remaining, stored] = await redis.admit(
    `rate:${KEY_ID}`, `nonce:${KEY_ID}:${request.headers['x-singr-nonce']}`, record,
    RATE_LIMIT, 60, 2 * TOLERANCE, request.bodyHash, RECORD_LIFE,
  );
  reply.header('ratelimit', `"credential";r=${remaining};t=60`);
  if (verdict === 'limited') throw new Problem(429, 'rate-limited', `try again in ${stored} s`);
  if (verdict === 'replayed') throw new Problem(401, 'signature-replayed', 'this nonce was used before');
  if (verdict === 'known') return replay(stored, request.bodyHash, reply);

  const started = process.hrtime.bigint();
  const options = { jobId: randomUUID() };
  if (job.priority in PRIORITIES) options.priority = PRIORITIES[job.priority];
  if (job.run_at) options.delay = Math.max(0, Date.parse(job.run_at) - Date.now());
  const data = { organization_id: job.organization_id, correlation_id: request.id, payload: job.payload };
  try {
    await queues[QUEUES[job.type]].add(job.type, data, options);
  } catch (error) {
    await redis.del(record); // nothing was queued: the caller may try again with the same key
    throw error;
  }
  enqueue.observe(Number(process.hrtime.bigint() - started) / 1e9);

  const answer = JSON.stringify({
    id: options.jobId,
    organization_id: job.organization_id,
    type: job.type,
    queue: QUEUES[job.type],
    status: 'pending',
    priority: job.priority ?? 'normal',
    created_at: new Date().toISOString(),
  });
  await redis.set(record, `done ${request.bodyHash} ${answer}`, 'EX', RECORD_LIFE);
  reply.code(201).type('application/json').header('location', `/v1/jobs/${options.jobId}`);
  return answer;
}

function replay(stored, bodyHash, reply) {
  const [state, hash] = stored.split(' ', 2);
  if (hash !== bodyHash) throw new Problem(422, 'idempotency-key-reused', 'this key was used with another body');
  if (state === 'running') throw new Problem(409, 'idempotency-key-in-use', 'the first request is still running');
  reply.code(201).type('application/json').header('idempotency-replayed', 'true');
  return stored.slice(state.length + hash.length + 2);
}

app.post('/v1/jobs', { schema: createJob, preValidation: verifySignature }, createOne);
app.get('/health', async () => ({ status: 'ok' }));
app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await app.close();
    await Promise.all(Object.values(queues).map((queue) => queue.close()));
    redis.disconnect();
    connection.disconnect();
  });
}

await app.listen({ host: '127.0.0.1', port: Number(PORT) });
