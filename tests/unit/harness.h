/* What every unit test begins with: cmocka and the headers that it wants before itself. */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* TEST(name_that_is_a_sentence) { ... } */
#define TEST(name) static void name(void **state __attribute__((unused)))

#define RUN_TESTS(tests) cmocka_run_group_tests(tests, NULL, NULL)

#endif
