/* base/list.h has no .c file: everything in it is inline. */
#include "harness.h"

#include "base/list.h"

#include <stdlib.h>

struct item {
	int number;
	struct list link; /* head of the test */
};

static int number_of(struct list *link)
{
	return list_entry(link, struct item, link)->number;
}

TEST(a_new_list_is_empty)
{
	struct list head;
	list_init(&head);
	assert_true(list_empty(&head));
	list_for_each (p, &head)
		fail();
}

TEST(entries_come_in_the_order_in_which_they_were_appended)
{
	struct list head;
	struct item items[5];
	list_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i].number = i;
		list_append(&head, &items[i].link);
	}
	int next = 0;
	list_for_each (p, &head)
		assert_int_equal(number_of(p), next++);
	assert_int_equal(next, 5);
}

TEST(insert_puts_an_entry_behind_another)
{
	struct list head;
	struct item a = { 1 }, b = { 2 }, c = { 3 };
	list_init(&head);
	list_append(&head, &a.link);
	list_append(&head, &c.link);
	list_insert(&a.link, &b.link);
	int next = 1;
	list_for_each (p, &head)
		assert_int_equal(number_of(p), next++);
	assert_int_equal(next, 4);
}

TEST(removing_twice_is_harmless)
{
	struct list head;
	struct item a = { 1 }, b = { 2 };
	list_init(&head);
	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_remove(&a.link);
	list_remove(&a.link);
	assert_true(list_empty(&a.link));
	assert_int_equal(number_of(head.next), 2);
	list_remove(&b.link);
	assert_true(list_empty(&head));
}

TEST(entries_can_be_freed_on_the_way)
{
	struct list head;
	list_init(&head);
	for (int i = 0; i < 10; i++) {
		struct item *item = calloc(1, sizeof(*item));
		assert_non_null(item);
		list_append(&head, &item->link);
	}
	list_for_each_safe (p, &head) {
		list_remove(p);
		free(list_entry(p, struct item, link));
	}
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_list_is_empty),
		cmocka_unit_test(entries_come_in_the_order_in_which_they_were_appended),
		cmocka_unit_test(insert_puts_an_entry_behind_another),
		cmocka_unit_test(removing_twice_is_harmless),
		cmocka_unit_test(entries_can_be_freed_on_the_way),
	};
	return RUN_TESTS(tests);
}
