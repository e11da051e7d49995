/* What the targets for the kernel's and the system's texts share. */
#ifndef DAYFLY_FUZZ_TEXT_H
#define DAYFLY_FUZZ_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The input as a string of just its size, so that a sanitizer sees a step beyond it. */
static inline char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Cuts off the first line. Returns what follows it. */
static inline char *cut_line(char *text)
{
	size_t len = strcspn(text, "\n");
	char *rest = text + len + (text[len] == '\n');
	text[len] = '\0';
	return rest;
}

#endif
