// What a team would write by hand: Fastify, @fastify/jwt with its cache of verified tokens, pg with prepared statements.
// BENCH_ALGORITHM is HS256, as @fastify/jwt has it by default, or ES256, for the same signatures as the others.
//
// `/me` is one join of session and user, so a log-out holds at once. A refresh is one atomic UPDATE: a refresh token
// works once. `node peer_fastify.mjs fill` fills the database.
//
// What was added for speed: a pool as large as the load; the token itself as the key of the cache instead of its hash;
// `exp` among the claims, since with `expiresIn` @fastify/jwt parses the key at each signature; and schemas of the
// answers, from which Fastify compiles their JSON.
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import fastifyJwt from '@fastify/jwt'
import { verify } from '@node-rs/argon2'
import Fastify from 'fastify'
import pg from 'pg'

const ACCESS_TTL = 3600
const SESSION_TTL = 14 * 86_400
const algorithm = process.env.BENCH_ALGORITHM
const key = process.env.BENCH_PRIVATE_KEY

const app = Fastify()
await app.register(fastifyJwt, {
  secret:
    algorithm === 'HS256'
      ? process.env.BENCH_SECRET
      : { private: readFileSync(key), public: readFileSync(key.replace(/pem$/, 'pub')) },
  sign: { algorithm },
  verify: { algorithms: [algorithm], cache: 8192, cacheKeyBuilder: (token) => token },
})
const pool = new pg.Pool({ connectionString: process.env.BENCH_DATABASE_URL, max: 32, idleTimeoutMillis: 0 })

const ME = `SELECT users.id, name, email, email_verified_at, scopes, users.created_at, updated_at
  FROM sessions JOIN users ON users.id = sessions.user_id
  WHERE sessions.user_id = $1 AND sessions.id = $2 AND generation = $3 AND expires_at > now() AND disabled_at IS NULL`
const REFRESH = `UPDATE sessions SET generation = generation + 1, rotated_at = now() FROM users
  WHERE sessions.user_id = $1 AND sessions.id = $2 AND generation = $3 AND expires_at > now()
    AND users.id = sessions.user_id AND disabled_at IS NULL
  RETURNING generation, scopes, extract(epoch FROM expires_at - now())::int AS lifetime`
const FIND = 'SELECT id, password_hash, scopes FROM users WHERE email = $1 AND disabled_at IS NULL'
const BEGIN = `INSERT INTO sessions (user_id, id, expires_at) VALUES ($1, $2, now() + interval '14 days')`
const END = 'DELETE FROM sessions WHERE user_id = $1 AND id = $2'

const query = async (name, text, values) => (await pool.query({ name, text, values })).rows[0]

function pair(user, session, generation, scopes, lifetime) {
  const claims = { sub: user, sid: session, gen: generation, jti: randomUUID() }
  const now = Math.floor(Date.now() / 1000)
  return {
    access_token: app.jwt.sign({ ...claims, typ: 'access', scope: scopes.join(' '), exp: now + ACCESS_TTL }),
    token_type: 'bearer',
    expires_in: ACCESS_TTL,
    refresh_token: app.jwt.sign({ ...claims, typ: 'refresh', exp: now + lifetime }),
    refresh_expires_in: lifetime,
  }
}

const only = (typ) => async (request, reply) => {
  await request.jwtVerify()
  if (request.user.typ !== typ) return refuse(reply)
}
const refuse = (reply) => reply.code(401).send({ message: 'Unauthenticated.' })

const string = { type: 'string' }
const integer = { type: 'integer' }
const time = { type: 'string', format: 'date-time', nullable: true }
const object = (properties) => ({ type: 'object', required: Object.keys(properties), properties })
const user = object({
  id: integer, name: string, email: string, email_verified_at: time, scopes: { type: 'array', items: string },
  created_at: time, updated_at: time,
})
const tokens = object({
  access_token: string, token_type: string, expires_in: integer, refresh_token: string, refresh_expires_in: integer,
})

app.get('/me', { preValidation: only('access'), schema: { response: { 200: user } } }, async (request, reply) => {
  const { sub, sid, gen } = request.user
  return (await query('me', ME, [sub, sid, gen])) ?? refuse(reply)
})

app.put('/refresh', { preValidation: only('refresh'), schema: { response: { 200: tokens } } }, async (request, reply) => {
  const { sub, sid, gen } = request.user
  const row = await query('refresh', REFRESH, [sub, sid, gen])
  return row ? pair(sub, sid, row.generation, row.scopes, row.lifetime) : refuse(reply)
})

app.post(
  '/login',
  { schema: { body: object({ email: string, password: string }), response: { 200: tokens } } },
  async ({ body }, reply) => {
    const found = await query('find', FIND, [body.email])
    if (!found || !(await verify(found.password_hash, body.password))) return refuse(reply)
    const session = randomUUID()
    await query('begin', BEGIN, [found.id, session])
    return pair(found.id, session, 0, found.scopes, SESSION_TTL)
  },
)

app.delete('/logout', { preValidation: only('access') }, async (request, reply) => {
  await query('end', END, [request.user.sub, request.user.sid])
  return reply.code(204).send()
})

async function fill(plan) {
  await pool.query(`CREATE TABLE users (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, name text NOT NULL,
    email text NOT NULL UNIQUE, password_hash text NOT NULL, scopes text[] NOT NULL DEFAULT '{}',
    email_verified_at timestamptz, disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())`)
  await pool.query(`CREATE TABLE sessions (user_id int REFERENCES users ON DELETE CASCADE, id uuid,
    generation int NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL, PRIMARY KEY (user_id, id)
  ) WITH (fillfactor = 70)`)
  await pool.query(
    `INSERT INTO users (id, name, email, password_hash)
     SELECT i, 'User ' || i, 'user' || i || '@bench.example', $1 FROM generate_series(1, $2::int) i`,
    [plan.password_hash, plan.users],
  )
  const { rows } = await pool.query(
    `WITH made AS (INSERT INTO sessions (user_id, id, expires_at) SELECT i, gen_random_uuid(), now() + interval '14 days'
     FROM generate_series(1, $1::int) i RETURNING user_id, id) SELECT * FROM made ORDER BY random() LIMIT $2`,
    [plan.users, plan.access_tokens + plan.refresh_tokens],
  )
  const pairs = rows.map(({ user_id, id }) => pair(user_id, id, 0, [], SESSION_TTL))
  const write = (name, lines) => writeFileSync(`${plan.directory}/${name}.txt`, lines.map((line) => `${line}\n`).join(''))
  write('access', pairs.slice(plan.refresh_tokens).map((each) => each.access_token))
  write('refresh', pairs.slice(0, plan.refresh_tokens).map((each) => each.refresh_token))
  await pool.end()
}

if (process.argv[2] === 'fill') await fill(JSON.parse(process.env.BENCH_PLAN))
else await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
