/**
 * What the server and the front need of HTTP beside node:http: bodies, JSON replies, and a life that ends
 * cleanly.
 */

/** An error that is the client's: its status and text are the reply. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The body of `request` as parsed JSON; an HttpError if it is larger than `limit` bytes or no JSON object.
 */
export async function readJson(request, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > limit) throw new HttpError(413, 'the body is too large');
    chunks.push(chunk);
  }
  try {
    const value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (value !== null && typeof value === 'object') return value;
  } catch {
    // Falls through to the same reply as any other JSON that is no object.
  }
  throw new HttpError(400, 'the body is no JSON object');
}

/** Replies with `body` as JSON. */
export function sendJson(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/**
 * Serves on `port` (0: any free one), says where on standard output, and calls `close` after SIGTERM or
 * SIGINT.
 */
export function serve(server, name, port, close) {
  server.listen(port, () => console.log(`${name} listening on http://127.0.0.1:${server.address().port}`));
  const stop = () => {
    server.close(() => close());
    server.closeIdleConnections();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
