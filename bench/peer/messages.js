// Sends messages with BullMQ's own worker, each by the call that Singr makes of the same provider. MODE=fill enqueues
// COUNT of them; MODE=work sends them at CONCURRENCY until it is ended, one log line a completed job. Nothing is written
// down but what the queue keeps, nobody's limits are counted, and the words are rendered already.
import { createSign } from 'node:crypto';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import pino from 'pino';

const { REDIS_SOCKET, REDIS_DB = '0', MODE, CHANNEL, COUNT = '600', CONCURRENCY = '5' } = process.env;
const connection = new Redis({ path: REDIS_SOCKET, db: Number(REDIS_DB), maxRetriesPerRequest: null });
const log = pino(pino.destination(process.env.LOG_FILE ?? 1));
const words = `<p>${'Somebody asked for a song at the Blue Note. '.repeat(150)}</p>`; // as long as ours
const json = { 'content-type': 'application/json' };
const basic = (user, password) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });

async function post(url, headers, body) {
  const answer = await fetch(url, { method: 'POST', headers, body }); // Node keeps its connections
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status} ${JSON.stringify(said)}`);
  return said;
}

const senders = {
  email: () => {
    const { MAILJET_API_KEY, MAILJET_SECRET_KEY, MAILJET_FROM_EMAIL, MAILJET_BASE_URL } = process.env;
    const headers = { ...json, ...basic(MAILJET_API_KEY, MAILJET_SECRET_KEY) };
    return ({ number }) => {
      const message = {
        From: { Email: MAILJET_FROM_EMAIL },
        To: [{ Email: `singer-${number}@singers.example` }],
        CustomID: `peer-${number}`,
        Subject: 'New request at Blue Note',
        TextPart: words,
        HTMLPart: words,
      };
      return post(`${MAILJET_BASE_URL}/v3.1/send`, headers, JSON.stringify({ Messages: [message] }));
    };
  },
  sms: () => {
    const { TWILIO_ACCOUNT_SID: account, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER, TWILIO_BASE_URL } = process.env;
    const headers = basic(account, TWILIO_AUTH_TOKEN);
    return ({ number }) => {
      const To = `+49151${String(number).padStart(8, '0')}`;
      const form = new URLSearchParams({ To, From: TWILIO_PHONE_NUMBER, Body: 'Your song is next' });
      return post(`${TWILIO_BASE_URL}/2010-04-01/Accounts/${account}/Messages.json`, headers, form);
    };
  },
  push: async () => {
    const { FIREBASE_BASE_URL, FIREBASE_PROJECT_ID } = process.env;
    const headers = { ...json, authorization: `Bearer ${await accessToken()}` };
    return ({ number }) => {
      const tag = `peer-${number}`;
      const message = {
        token: `device-${String(number).padStart(12, '0')}`,
        notification: { title: 'Blue Note', body: 'Your song is next' },
        data: { kind: 'plain' },
        android: { notification: { tag } },
        apns: { headers: { 'apns-collapse-id': tag } },
        webpush: { notification: { tag } },
      };
      const url = `${FIREBASE_BASE_URL}/v1/projects/${FIREBASE_PROJECT_ID}/messages:send`;
      return post(url, headers, JSON.stringify({ message }));
    };
  },
};

async function accessToken() {
  const { FIREBASE_CLIENT_EMAIL, FIREBASE_PRIVATE_KEY, FIREBASE_TOKEN_URL } = process.env;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: FIREBASE_CLIENT_EMAIL,
    aud: FIREBASE_TOKEN_URL,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    iat: now,
    exp: now + 3600,
  };
  const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  const key = FIREBASE_PRIVATE_KEY.replaceAll('\\n', '\n');
  const assertion = `${signed}.${createSign('RSA-SHA256').update(signed).sign(key, 'base64url')}`;
  const form = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
  return (await post(FIREBASE_TOKEN_URL, {}, form)).access_token;
}

async function fill() {
  const queue = new Queue(CHANNEL, { connection, prefix: 'peer' });
  const options = { attempts: 3, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: 1000 };
  const jobs = Array.from({ length: Number(COUNT) }, (_, number) => ({ name: 'send', data: { number }, opts: options }));
  await queue.addBulk(jobs);
  await queue.close();
  connection.disconnect();
}

async function work() {
  const send = await senders[CHANNEL]();
  const options = { connection, prefix: 'peer', concurrency: Number(CONCURRENCY) };
  const worker = new Worker(CHANNEL, async (job) => void (await send(job.data)), options);
  worker.on('completed', (job) => log.info({ job: job.id, ms: job.finishedOn - job.processedOn }, 'completed'));
  worker.on('failed', (job, error) => process.stderr.write(`${job?.id}: ${error.message}\n`));
}

await { fill, work }[MODE]();
