/*
 * dayfly-warden --probe: whether this host can do what jails need. Every primitive is really used,
 * in a child that is thrown away; files of the system (sysctls, /etc/subuid, ...) are read only to
 * explain a failure. docs/doctor.md lists the checks; a test compares the lists.
 */
#ifndef DAYFLY_JAIL_DOCTOR_H
#define DAYFLY_JAIL_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Runs every check for the mode that the warden would be in, and prints one line for each to
 * stdout: a JSON object, or text. Returns the exit status: 0, or 1 when a check that is needed is
 * missing.
 */
int doctor_main(bool json);

/* The names of all checks, one a line. */
void doctor_print_names(FILE *out);

#endif
