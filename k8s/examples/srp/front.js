/**
 * A front that hands each request to the next server in turn, as a Service or an ingress without sticky
 * sessions does: the two requests of one login never meet the same server twice in a row.
 *
 * Settings (environment): PORT, BACKENDS (base addresses, separated by commas).
 */
import { Agent, createServer, request as httpRequest } from 'node:http';
import { sendJson, serve } from './http.js';

const backends = process.env.BACKENDS.split(',').map((address) => new URL(address));
const agent = new Agent({ keepAlive: true });
let turn = 0;

/** The headers without those that are about one connection, not the message. */
function endToEnd({ connection, 'keep-alive': keepAlive, ...headers }) {
  return headers;
}

function forward(request, response) {
  const { hostname, port } = backends[turn++ % backends.length];
  const { method, url: path } = request;
  const headers = endToEnd(request.headers);
  const onward = httpRequest({ agent, hostname, port, method, path, headers }, (reply) => {
    response.writeHead(reply.statusCode, endToEnd(reply.headers));
    reply.pipe(response);
  });
  onward.on('error', (error) => {
    if (response.headersSent) response.destroy(error);
    else sendJson(response, 502, { error: error.message });
  });
  request.pipe(onward);
}

serve(createServer(forward), 'front', Number(process.env.PORT ?? 8080), () => agent.destroy());
