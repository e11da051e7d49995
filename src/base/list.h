/* Intrusive doubly linked lists. A link that is in no list points at itself; removing it again is
 * harmless. */
#ifndef DAYFLY_BASE_LIST_H
#define DAYFLY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *after, struct list *link)
{
	link->prev = after;
	link->next = after->next;
	after->next->prev = link;
	after->next = link;
}

static inline void list_append(struct list *head, struct list *link)
{
	list_insert(head->prev, link);
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* clang-format off */
#define list_entry(link, type, member) ((type *)((char *)(link) - offsetof(type, member)))
/* clang-format on */

#define list_for_each(pos, head)                                                                   \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* The body may remove and free the current entry. */
#define list_for_each_safe(pos, head)                                                              \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);              \
		pos = pos##_next, pos##_next = pos->next)

#endif
