/* Signals as a new process should find them. */
#ifndef DAYFLY_BASE_SIG_H
#define DAYFLY_BASE_SIG_H

/*
 * Every signal has its default action and none is blocked. Asked of the kernel itself: the C
 * library keeps signals 32 and 33 back, and those can be inherited as ignored like any other.
 */
void sig_reset(void);

#endif
