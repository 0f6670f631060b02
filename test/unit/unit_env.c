/*
 * unit_env.c
 *	  A host for the engine outside PostgreSQL: malloc with a ledger.
 *
 * Every block hangs in a ring, so that leaks are seen and an interrupted run
 * can be cleaned up, as a memory context would do.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define LIVE	UINT64_C(0x6c6976652d626c6b)
#define DEAD	UINT64_C(0x646561642d626c6b)

typedef struct Block
{
	struct Block *previous,
			   *next;
	size_t		size;
	uint64_t	mark;
	uint64_t	serial;
	uint64_t	pad;			/* the memory after it is aligned for anything */
} Block;

static Block ring = {&ring, &ring, 0, LIVE, 0, 0};
static size_t live_bytes,
			peak_bytes;
static uint64_t checks,
			events,
			serials;

static bool interrupt_armed;
static uint64_t interrupt_at;
static jmp_buf interrupt_exit;

/* An event at which the host may leave the engine. */
static void
event(void)
{
	if (interrupt_armed && events == interrupt_at)
		longjmp(interrupt_exit, 1);
	events++;
}

static Block *
block_of(void *ptr)
{
	Block	   *block = (Block *) ptr - 1;

	if (block->mark != LIVE)
	{
		fprintf(stderr, "unit: released or resized what was not allocated\n");
		abort();
	}
	return block;
}

static void
forget(Block *block)
{
	block->previous->next = block->next;
	block->next->previous = block->previous;
	live_bytes -= block->size;
	block->mark = DEAD;
}

static void *
allocate(size_t size)
{
	Block	   *block = size <= SIZE_MAX - sizeof(Block) ? malloc(sizeof(Block) + size) : NULL;

	if (block == NULL)
	{
		fprintf(stderr, "unit: out of memory (%zu bytes wanted)\n", size);
		abort();
	}
	block->size = size;
	block->mark = LIVE;
	block->serial = serials++;
	block->next = &ring;
	block->previous = ring.previous;
	ring.previous->next = block;
	ring.previous = block;
	live_bytes += size;
	if (live_bytes > peak_bytes)
		peak_bytes = live_bytes;
	memset(block + 1, 0xa5, size);
	return block + 1;
}

static void
env_release(void *arg, void *ptr)
{
	if (ptr != NULL)
	{
		Block	   *block = block_of(ptr);

		forget(block);
		free(block);
	}
}

static void *
env_alloc(void *arg, size_t size)
{
	event();
	return allocate(size);
}

/* Always moves the block: whoever keeps the old pointer is found out. */
static void *
env_resize(void *arg, void *ptr, size_t size)
{
	void	   *moved;

	event();
	moved = allocate(size);
	if (ptr != NULL)
	{
		size_t		old = block_of(ptr)->size;

		memcpy(moved, ptr, old < size ? old : size);
		env_release(arg, ptr);
	}
	return moved;
}

static void
env_check(void *arg)
{
	checks++;
	event();
}

const PfEnv *
unit_env(void)
{
	static const PfEnv env = {env_alloc, env_resize, env_release, env_check, NULL};

	return &env;
}

uint64_t
unit_interrupt_checks(void)
{
	return checks;
}

size_t
unit_live_bytes(void)
{
	return live_bytes;
}

size_t
unit_peak_bytes(void)
{
	return peak_bytes;
}

void
unit_reset_peak(void)
{
	peak_bytes = live_bytes;
}

/* Releases every block allocated since a moment. */
static void
release_since(uint64_t serial)
{
	while (ring.previous != &ring && ring.previous->serial >= serial)
	{
		Block	   *block = ring.previous;

		forget(block);
		free(block);
	}
}

void
unit_release_all(void)
{
	release_since(0);
}

bool
unit_interrupt(uint64_t after, void (*run) (void *arg), void *arg)
{
	uint64_t	start = serials;

	if (setjmp(interrupt_exit) != 0)
	{
		interrupt_armed = false;
		release_since(start);
		return true;
	}
	interrupt_at = events + after;
	interrupt_armed = true;
	run(arg);
	interrupt_armed = false;
	release_since(start);
	return false;
}
