/* `ordinal status`: the roster as a running node sees it, for people and for scripts.
 *
 *   ordinal status [-h HOST] [-p PORT | -s SOCKET] [-a PASSWORD] [-t MILLISECONDS]
 *
 * What the options are when they are not given, probe.h says.
 */
#ifndef ORDINAL_REPLICATION_STATUS_H
#define ORDINAL_REPLICATION_STATUS_H

/* Asks for INFO's section "roster", and prints the members as a table (roster_text.h), then one line that sums it up. argv[0] is
 * "status". Returns the exit status: 0 when there is a master and all members are in sync, 1 when not, when the server is a
 * plain one, and when it could not be asked, 2 for bad arguments. */
int status_run(int argc, char **argv);

#endif
