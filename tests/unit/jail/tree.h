/* A directory of its own for a test, and trees in it. */
#ifndef TESTS_UNIT_JAIL_TREE_H
#define TESTS_UNIT_JAIL_TREE_H

/* Makes a new empty directory and returns its descriptor; the name goes with tree_finish. */
int tree_start(void);
void tree_finish(void);

/* dirfd/path with these bytes, or a directory, or a symlink. */
void tree_file(int dirfd, const char *path, const char *text);
void tree_dir(int dirfd, const char *path);
void tree_link(int dirfd, const char *path, const char *target);

#endif
