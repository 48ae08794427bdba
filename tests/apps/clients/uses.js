/**
 * Runs what the command line asks of a client: `PORT USE …`, where each USE is the name of one of `uses`,
 * functions of a connected client. Prints each name when it has been done, and nothing after the first that
 * failed.
 */
export async function runUses(uses, connect) {
  const [port, ...names] = process.argv.slice(2);
  const client = await connect(Number(port));
  try {
    for (const name of names) {
      await uses[name](client);
      console.log(name);
    }
  } finally {
    await client.quit();
  }
}
