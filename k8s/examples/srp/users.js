/**
 * Who may log in. A real service has a database here; the example derives its users from one seed, so that
 * every server and every client knows the same `user-0`, `user-1`, … and their passwords with nothing
 * shared but SEED.
 *
 * A name that nobody has gets a record as well: its salt comes from the same HMAC, so it is the same each
 * time it is asked for, and its verifier is a number that no password leads to. Such a name is challenged
 * and refused exactly like a user with a wrong password, and nobody can find out which names exist.
 */
import { createHmac } from 'node:crypto';
import { GROUP_DIGITS, routines, verifierOf } from './srp.js';

const BLOCK_DIGITS = 128;

function derive(seed, label, name) {
  return createHmac('sha512', seed).update(`${label}\0${name}`).digest('hex');
}

function saltOf(seed, name) {
  return BigInt(`0x${derive(seed, 'salt', name)}`);
}

/**
 * As many digits as the group has, taken modulo N: any other number would do that nobody can know the root
 * of.
 */
function verifierOfNobody(seed, name) {
  let digits = '';
  for (let block = 0; digits.length < GROUP_DIGITS + BLOCK_DIGITS; block++) {
    digits += derive(seed, `verifier-${block}`, name);
  }
  return BigInt(`0x${digits}`) % routines.parameters.primeGroup.N;
}

/** The name and password of the user `index` of `seed`. */
export function credentials(seed, index) {
  const name = `user-${index}`;
  return { name, password: derive(seed, 'password', name).slice(0, 20) };
}

/** The records of users 0 to `count` - 1; ask with `find`. */
export class Users {
  static async seeded(seed, count) {
    const users = new Users(seed);
    for (let index = 0; index < count; index++) {
      const { name, password } = credentials(seed, index);
      const salt = saltOf(seed, name);
      users.records.set(name, { salt, verifier: await verifierOf(name, password, salt) });
    }
    return users;
  }

  constructor(seed) {
    this.seed = seed;
    this.records = new Map();
  }

  /** The salt and verifier of `name`, with the same work done whether there is such a user or not. */
  find(name) {
    const nobody = { salt: saltOf(this.seed, name), verifier: verifierOfNobody(this.seed, name) };
    return this.records.get(name) ?? nobody;
  }
}
