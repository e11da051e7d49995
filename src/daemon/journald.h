/*
 * Log lines with fields: where stderr leads to journald, sd_journal_sendv(3) takes the place of it.
 */
#ifndef DAYFLY_DAEMON_JOURNALD_H
#define DAYFLY_DAEMON_JOURNALD_H

/*
 * Has no effect where stderr is something else, or in a build without libsystemd (journald reads
 * the lines then, without fields). libsystemd opens a descriptor with the first line and keeps it:
 * call this after inherited descriptors are closed.
 */
void journald_init(void);

#endif
