/**
 * The SRP login service, one of any number of equal servers: nothing about a login is kept in this process.
 *
 *   POST /auth/challenge?username=NAME            → { salt, B }
 *   POST /auth/authenticate  { username, A, M1 }  → { M2 }, or 401
 *   GET  /healthz, /readyz                        → 200 while it runs, while the cache answers
 *
 * Settings (environment): PORT, NAME, REDIS_URL or REDIS_HOST, REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD,
 * CHALLENGE_SECONDS, SEED and USERS (see users.js). Every refusal is the same 401: whether the name is
 * unknown, the proof wrong, or the challenge old, used or never given is not told.
 */
import { createServer } from 'node:http';
import { SRPServerSession, SRPServerSessionStep1 } from 'tssrp6a';
import { Challenges, cacheOptions } from './challenges.js';
import { HttpError, readJson, sendJson, serve } from './http.js';
import { GROUP_DIGITS, HASH_DIGITS, SALT_DIGITS, fromHex, routines, toHex } from './srp.js';
import { Users } from './users.js';

const BODY_LIMIT = 4096;
const NAME_LIMIT = 128;

const env = process.env;
const name = env.NAME ?? `srp-${process.pid}`;
const users = await Users.seeded(env.SEED ?? 'ordinal', Number(env.USERS ?? 100));
const challenges = new Challenges(cacheOptions({ ...env, NAME: name }), Number(env.CHALLENGE_SECONDS ?? 60));

function checkName(username) {
  if (typeof username === 'string' && username !== '' && username.length <= NAME_LIMIT) return username;
  throw new HttpError(400, `username must have 1 to ${NAME_LIMIT} characters`);
}

function checkNumber(text, field, digits) {
  const value = fromHex(text, digits);
  if (value === null) throw new HttpError(400, `${field} must be 1 to ${digits} hexadecimal digits`);
  return value;
}

async function challenge(request, url) {
  request.resume();
  const username = checkName(url.searchParams.get('username'));
  const { salt, verifier } = users.find(username);
  const session = await new SRPServerSession(routines).step1(username, salt, verifier);
  await challenges.put(username, session);
  return { salt: toHex(salt, SALT_DIGITS), B: toHex(session.B, GROUP_DIGITS) };
}

async function authenticate(request) {
  const body = await readJson(request, BODY_LIMIT);
  const username = checkName(body.username);
  const A = checkNumber(body.A, 'A', GROUP_DIGITS);
  const M1 = checkNumber(body.M1, 'M1', HASH_DIGITS);
  const state = await challenges.take(username);
  if (state === null) throw new HttpError(401, 'not authenticated');
  const session = SRPServerSessionStep1.fromState(routines, state);
  const M2 = await session.step2(A, M1).catch(() => {
    throw new HttpError(401, 'not authenticated');
  });
  return { M2: toHex(M2, HASH_DIGITS) };
}

async function ready() {
  if (await challenges.ready()) return { ready: true };
  throw new HttpError(503, 'the cache does not answer');
}

const routes = {
  'POST /auth/challenge': challenge,
  'POST /auth/authenticate': authenticate,
  'GET /readyz': ready,
  'GET /healthz': async () => ({ alive: true }),
};

async function handle(request, response) {
  response.setHeader('x-served-by', name);
  try {
    const url = new URL(request.url, 'http://localhost');
    const route = routes[`${request.method} ${url.pathname}`];
    if (!route) throw new HttpError(404, 'no such page');
    sendJson(response, 200, await route(request, url));
  } catch (error) {
    if (error instanceof HttpError) return sendJson(response, error.status, { error: error.message });
    console.error(`${name}: ${request.method} ${request.url}: ${error.name} ${error.message}`);
    sendJson(response, 503, { error: 'try again' });
  }
}

challenges.connect((error) => console.error(`${name}: cache: ${error.message}`)).catch(() => process.exit(1));
serve(createServer(handle), name, Number(env.PORT ?? 3000), () => challenges.close());
