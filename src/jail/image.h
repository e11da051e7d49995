/* Pieces of the root filesystem that more than one step uses. Errors: -errno with *e filled. */
#ifndef DAYFLY_JAIL_IMAGE_H
#define DAYFLY_JAIL_IMAGE_H

#include "jail/jail.h"

/* A detached overlay over `lower` with the store's upper/NAME and work/NAME. Returns a descriptor.
 */
int image_overlay(struct jail *j, const char *name, const char *lower, struct err *e);

/* The same without an upper layer: read-only; `lower` names two directories or more. */
int image_overlay_fixed(const char *lower, struct err *e);

/* Attaches a detached mount at the store's lower/NAME, where an overlay can take it as its lower
 * layer. */
int image_lower(struct jail *j, const char *name, int tree_fd, struct err *e);

/* sources.c: a detached mount of a source, in this mount namespace. Returns a descriptor. */
int jail_source_tree(struct jail *j, const struct jail_source *s, bool recursive, struct err *e);

#endif
