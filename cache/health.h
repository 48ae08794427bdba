/* `ordinal ping`: a health probe for images that have no shell and no redis-cli.
 *
 *   ordinal ping [-h HOST] [-p PORT | -s SOCKET] [-a PASSWORD] [-t MILLISECONDS] [--ready]
 *
 * What the options are when they are not given, probe.h says.
 */
#ifndef HEALTH_H
#define HEALTH_H

/* Runs the probe; argv[0] is "ping". Sends AUTH if there is a password, then PING. Alive: any answer that
 * shows a working server (a server that loads its data, or asks for a password, is alive). --ready: only
 * +PONG counts. Prints one line that says why. Returns the exit status: 0 or 1, 2 for bad arguments. */
int health_ping(int argc, char **argv);

#endif
