/**
 * The client's side of one SRP-6a login over HTTP, in its three steps, so that a test can put something
 * between them.
 */
import { SRPClientSession } from 'tssrp6a';
import { GROUP_DIGITS, HASH_DIGITS, SALT_DIGITS, fromHex, isPublicValue, routines, toHex } from './srp.js';

const REQUEST_TIMEOUT_MS = 30_000;

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  return {
    status: response.status,
    server: response.headers.get('x-served-by'),
    body: await response.json(),
  };
}

/** Asks the service at `base` for a challenge; gives { server, salt, B }. Throws if there is none. */
export async function askChallenge(base, name) {
  const reply = await post(`${base}/auth/challenge?username=${encodeURIComponent(name)}`);
  if (reply.status !== 200) throw new Error(`challenge: ${reply.status} ${reply.body.error}`);
  const salt = fromHex(reply.body.salt, SALT_DIGITS);
  const B = fromHex(reply.body.B, GROUP_DIGITS);
  if (salt === null || B === null || !isPublicValue(B)) throw new Error('challenge: not a valid one');
  return { server: reply.server, salt, B };
}

/** The proof that `password` is known, for one challenge: a tssrp6a session with A, M1 and, for step3, S. */
export async function prove(name, password, { salt, B }) {
  const session = await new SRPClientSession(routines).step1(name, password);
  return session.step2(salt, B);
}

/**
 * Sends the proof. Gives { server, status }; throws if it is accepted by a server that does not know the
 * verifier.
 */
export async function sendProof(base, name, proof) {
  const { A, M1 } = proof;
  const body = { username: name, A: toHex(A, GROUP_DIGITS), M1: toHex(M1, HASH_DIGITS) };
  const reply = await post(`${base}/auth/authenticate`, body);
  if (reply.status === 200) await proof.step3(fromHex(reply.body.M2, HASH_DIGITS));
  return { server: reply.server, status: reply.status };
}

/**
 * A whole login. Gives whether its two requests were served by different servers; throws if it is refused.
 */
export async function login(base, { name, password }) {
  const challenge = await askChallenge(base, name);
  const answer = await sendProof(base, name, await prove(name, password, challenge));
  if (answer.status !== 200) throw new Error(`authenticate: ${answer.status}`);
  return { crossed: answer.server !== challenge.server };
}
