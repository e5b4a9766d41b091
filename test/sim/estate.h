/* SPDX-License-Identifier: Apache-2.0 */
/*
 * estate: what a simulated process owns in memory, so that its death frees
 * all of it, whatever it was in the middle of. Every block that the linked
 * floors allocate belongs to the owner that was set when it was allocated.
 *
 * Works by the linker: the program is linked with --wrap of malloc, calloc,
 * realloc and free. Blocks of shared libraries are their own, except those of
 * libraft, which is given these functions.
 */
#ifndef SIM_ESTATE_H
#define SIM_ESTATE_H

#include <stddef.h>
#include <stdint.h>

#define ESTATE_OWNERS 8 /* 0: the world itself */

/* Whose the next blocks are; gives who it was before. */
int estate_enter(int owner);
/* Frees everything that owner still has. */
void estate_burn(int owner);
size_t estate_bytes(int owner);
/* Every block that it has; to see what a process forgot to free. */
void estate_each(int owner, void (*each)(const void *p, size_t n));
void estate_serve_libraft(void);

#endif
