/**
 * Fibonacci's numbers, exact, as decimal text: the hundredth has 21 digits, more than a double can tell
 * apart.
 */
export function fibonacci(index) {
  let [value, next] = [0n, 1n];
  for (let step = 0; step < index; step++) [value, next] = [next, value + next];
  return value.toString();
}
