/**
 * A web application with sessions, one of several processes behind one address: express-session, whose
 * sessions connect-redis keeps in the cache.
 *
 *   node session_app.js PORT_OF_THE_CACHE SECONDS
 *
 *   POST /login?user=NAME     a new session, for SECONDS
 *   GET  /                    { user, views } of the session, or 401; counts the view
 *   POST /logout              ends the session
 *   GET  /sessions            how many there are, and whose
 *
 * Prints its address when it listens, and ends when its standard input does.
 */
import { once } from 'node:events';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createClient } from 'redis';

const [port, seconds] = process.argv.slice(2).map(Number);
const cache = createClient({ socket: { host: '127.0.0.1', port } });
cache.on('error', (error) => console.error(`cache: ${error.message}`));
await cache.connect();
const store = new RedisStore({ client: cache, prefix: 'app:' });

const app = express();
app.use(
  session({
    store,
    secret: 'not a secret',
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { maxAge: seconds * 1000 },
  }),
);

app.post('/login', (request, response) => {
  request.session.user = request.query.user;
  request.session.views = 0;
  response.json({ user: request.session.user });
});

app.get('/', (request, response) => {
  const { user } = request.session;
  if (!user) return response.status(401).json({ error: 'not logged in' });
  request.session.views++;
  response.json({ user, views: request.session.views });
});

app.post('/logout', (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.json({})));
});

app.get('/sessions', async (request, response) => {
  const users = (await store.all()).map(({ user }) => user).sort();
  response.json({ count: await store.length(), users });
});

const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
await once(process.stdin, 'end');
server.close(() => cache.destroy());
server.closeAllConnections();
