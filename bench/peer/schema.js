// What POST /v1/jobs accepts, as JSON Schema: the same rules that Singr's own structs express.
const strict = (required, properties) => ({ type: 'object', additionalProperties: false, required, properties });
const text = (maxLength) => ({ type: 'string', minLength: 1, maxLength });
const uuid = { type: 'string', pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' };
const link = { type: 'string', pattern: '^https?://', maxLength: 2048 };

const songRequest = {
  kind: { const: 'song_request' },
  venue_name: text(200),
  artist: text(200),
  title: text(200),
  singer_name: text(200),
  link,
};
const songRequired = ['kind', 'venue_name', 'artist', 'title', 'link'];

const smsMessage = {
  type: 'object',
  discriminator: { propertyName: 'kind' },
  required: ['kind'],
  oneOf: [
    strict(['kind', 'text'], { kind: { const: 'plain' }, text: text(1600) }),
    strict(songRequired, songRequest),
  ],
};
const emailMessage = {
  type: 'object',
  discriminator: { propertyName: 'kind' },
  required: ['kind'],
  oneOf: [strict(songRequired, songRequest)],
};

const sms = strict(['to', 'message'], {
  to: { type: 'string', pattern: '^\\+[1-9][0-9]{6,14}$' },
  message: smsMessage,
  user_id: uuid,
});
const email = strict(['to', 'message'], {
  to: strict(['email'], {
    email: { type: 'string', pattern: '^[^@\\s]{1,64}@[^@\\s]{1,255}$', maxLength: 254 },
    name: text(200),
  }),
  message: emailMessage,
  user_id: uuid,
});

const job = (type, payload) =>
  strict(['type', 'organization_id', 'payload'], {
    type: { const: type },
    organization_id: uuid,
    payload,
    priority: { enum: ['high', 'normal', 'low'] },
    run_at: { type: 'string', maxLength: 40 },
    unique_key: text(200),
  });

export const createJob = {
  headers: {
    type: 'object',
    required: ['idempotency-key'],
    properties: { 'idempotency-key': { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' } },
  },
  body: {
    type: 'object',
    discriminator: { propertyName: 'type' },
    required: ['type'],
    oneOf: [job('sms.send', sms), job('email.send', email)],
  },
};
