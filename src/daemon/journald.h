/*
 * Log lines with fields: where stderr leads to journald, its socket takes the place of stderr.
 * sd_journal_sendv(3) is not used: it waits for a journald that does not read, and with it would
 * the loop and every client. Lines that it has no room for are lost and counted, and the next line
 * that it takes follows one with the count.
 */
#ifndef DAYFLY_DAEMON_JOURNALD_H
#define DAYFLY_DAEMON_JOURNALD_H

/*
 * socket_path: NULL for the usual one. Has no effect where stderr is something else. It keeps a
 * descriptor: call this after inherited descriptors are closed. A line that cannot be sent for
 * another reason than a lack of room goes to stderr.
 */
void journald_init(const char *socket_path);

#endif
