/**
 * The one SRP-6a profile that server and client share, and how its numbers travel.
 *
 * The arithmetic is tssrp6a's (no dependencies, WebCrypto's random numbers, a server state that can be
 * stored between two requests). Its defaults are those of Nimbus SRP for Java, RFC 5054's 2048-bit group
 * with SHA-512: M1 = H(A | B | S), M2 = H(A | M1 | S), the numbers as bytes without leading zeros. One
 * thing is made strict here: the user's name is part of x, as RFC 5054 has it, so that two users with one
 * password and one salt still have different verifiers.
 *
 * Numbers travel as hexadecimal strings of fixed length, so that a length tells nothing.
 */
import { SRPParameters, SRPRoutines } from 'tssrp6a';

class StrictRoutines extends SRPRoutines {
  /** x = H(salt | H(name ":" password)), RFC 5054, section 2.4. */
  computeIdentityHash(name, password) {
    return this.hash(new TextEncoder().encode(`${name}:${password}`).buffer);
  }
}

export const routines = new StrictRoutines(new SRPParameters());

/** Digits of a number of the group (A, B, the verifier), of a hash (M1, M2) and of a salt. */
export const GROUP_DIGITS = routines.parameters.NBits / 4;
export const HASH_DIGITS = 128;
export const SALT_DIGITS = 128;

/** The number `value` as exactly `digits` hexadecimal digits. */
export function toHex(value, digits) {
  return value.toString(16).padStart(digits, '0');
}

/** The number in the hexadecimal string `text`, or null if it is no string of 1 to `digits` such digits. */
export function fromHex(text, digits) {
  if (typeof text !== 'string' || text.length > digits || !/^[0-9a-f]+$/i.test(text)) return null;
  return BigInt(`0x${text}`);
}

/** The verifier g^x of a user, which is all that a server ever keeps of a password. */
export async function verifierOf(name, password, salt) {
  const identity = await routines.computeIdentityHash(name, password);
  const x = await routines.computeXStep2(salt, identity);
  return routines.computeVerifier(x);
}

/** Whether `value` is a public value that a peer may send (A or B): not a multiple of N. */
export function isPublicValue(value) {
  return routines.isValidPublicValue(value);
}
