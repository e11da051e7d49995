/* Removing a tree that a task has written: no symlink is followed, any depth, directories without
 * permissions too. */
#ifndef DAYFLY_BASE_REMOVE_H
#define DAYFLY_BASE_REMOVE_H

/* Removes dirfd/name and everything in it. Returns 0 or -errno (something could not be removed). */
int remove_tree(int dirfd, const char *name);

#endif
