/* Sweeps over allocation failures, and snapshots of stores to compare with:
 * for tests that use cmocka. Include it after cmocka.h and wfscenario.h.
 *
 * One call that can be tried again (the cheap way; each allocation that the
 * call makes is refused once, and what was refused must have changed nothing):
 *
 *     sweep_memory memory;
 *     wfs_allocator allocator = sweep_allocator(&memory);
 *     ... make a store with it ...
 *     do {
 *         sweep_refuse(&memory, ++n, SWEEP_ONCE);
 *         status = wfs_insert(store, ...);
 *         sweep_allow(&memory);
 *         sweep_expect_same(&before, store);   (when it was refused)
 *     } while (status == WFS_ERR_NO_MEMORY);
 *
 * A whole story, from nothing to nothing, for every N: sweep_all. */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- an allocator that counts, checks and refuses */

typedef enum sweep_mode {
    SWEEP_ONCE,                 /* refuse the N-th allocation */
    SWEEP_FROM                  /* and all that follow */
} sweep_mode;

typedef struct sweep_memory {
    size_t calls;               /* allocations asked for since sweep_refuse */
    size_t nth;                 /* the first to refuse, from 1; 0: none */
    sweep_mode mode;
    size_t refused;             /* how many were, since sweep_refuse */
    size_t blocks, bytes;       /* alive */
    const char *fault;          /* how the library broke the contract */
} sweep_memory;

/* Stands before each block; as large as the strictest alignment. */
typedef union sweep_header {
    struct {
        size_t size, mark;
    } block;
    char room[16];
} sweep_header;

#define SWEEP_MARK ((size_t)0x5EEDB10C)
#define SWEEP_FRESH 0xA5        /* what new memory is filled with */
#define SWEEP_STALE 0x5A        /* and memory that was given back */

static inline bool sweep_refuses(sweep_memory *memory)
{
    bool refuses;

    memory->calls++;
    refuses = memory->nth != 0 &&
              (memory->calls == memory->nth ||
               (memory->mode == SWEEP_FROM && memory->calls > memory->nth));
    memory->refused += refuses;
    return refuses;
}

/* Check what is given back and wipe it, so that its use shows. */
static inline void sweep_give_back(sweep_memory *memory, void *pointer)
{
    sweep_header *header;

    if (pointer == NULL)
        return;
    header = (sweep_header *)pointer - 1;
    memory->blocks--;
    memory->bytes -= header->block.size;
    header->block.mark = 0;
    memset(pointer, SWEEP_STALE, header->block.size);
    free(header);
}

static inline void *sweep_take(sweep_memory *memory, size_t size)
{
    sweep_header *header =
        (sweep_header *)malloc(sizeof(sweep_header) + size);

    if (header == NULL)
        abort();                /* the machine itself has none left */
    header->block.size = size;
    header->block.mark = SWEEP_MARK;
    memory->blocks++;
    memory->bytes += size;
    memset(header + 1, SWEEP_FRESH, size);
    return header + 1;
}

/* Every block moves when it is resized: who kept its address is found out. */
static inline void *sweep_resize(void *pointer, size_t old_size,
                                 size_t new_size, void *user)
{
    sweep_memory *memory = (sweep_memory *)user;
    void *moved;

    if (pointer == NULL && old_size != 0)
        memory->fault = "an old size without a block";
    if (pointer != NULL) {
        sweep_header *header = (sweep_header *)pointer - 1;

        if (header->block.mark != SWEEP_MARK)
            abort();            /* not ours, or given back before */
        if (header->block.size != old_size)
            memory->fault = "the old size is not the size of the block";
        old_size = header->block.size;
    }
    if (new_size == 0) {
        sweep_give_back(memory, pointer);
        return NULL;
    }
    if (sweep_refuses(memory))
        return NULL;
    moved = sweep_take(memory, new_size);
    if (pointer != NULL)
        memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
    sweep_give_back(memory, pointer);
    return moved;
}

/* A new allocator that refuses nothing so far. */
static inline wfs_allocator sweep_allocator(sweep_memory *memory)
{
    wfs_allocator allocator;

    memset(memory, 0, sizeof *memory);
    allocator.resize = sweep_resize;
    allocator.user = memory;
    return allocator;
}

/* Refuse the nth allocation from here on, counted from 1. */
static inline void sweep_refuse(sweep_memory *memory, size_t nth,
                                sweep_mode mode)
{
    memory->calls = 0;
    memory->refused = 0;
    memory->nth = nth;
    memory->mode = mode;
}

/* Refuse nothing from here on; memory->refused stays to be looked at. */
static inline void sweep_allow(sweep_memory *memory)
{
    memory->nth = 0;
}

/* For what a test does itself in between: memory as it likes, not counted.
 * Give sweep_go_on what sweep_pause returned. */
static inline sweep_memory sweep_pause(sweep_memory *memory)
{
    sweep_memory paused = *memory;

    memory->nth = 0;
    return paused;
}

static inline void sweep_go_on(sweep_memory *memory, sweep_memory paused)
{
    memory->calls = paused.calls;
    memory->nth = paused.nth;
    memory->refused = paused.refused;
}

/* Everything was given back, with the right sizes. */
static inline void sweep_expect_clean(const sweep_memory *memory)
{
    if (memory->fault != NULL)
        fail_msg("%s", memory->fault);
    if (memory->blocks != 0 || memory->bytes != 0)
        fail_msg("leaked %lu blocks, %lu bytes", (unsigned long)memory->blocks,
                 (unsigned long)memory->bytes);
}

/* A story makes everything with sweep's allocator and frees it again. */
typedef void (*sweep_story)(const wfs_allocator *allocator,
                            sweep_memory *memory, void *user);

/* Tell it for every N, each time with the N-th allocation refused, until it
 * asks for fewer than N. Returns how many times something was refused. */
static inline size_t sweep_all(sweep_mode mode, sweep_story story, void *user)
{
    sweep_memory memory;
    size_t nth;

    for (nth = 1;; nth++) {
        wfs_allocator allocator = sweep_allocator(&memory);

        sweep_refuse(&memory, nth, mode);
        story(&allocator, &memory, user);
        sweep_expect_clean(&memory);
        if (memory.refused == 0)
            return nth - 1;
    }
}

/* --- what a store held */

typedef struct sweep_snapshot {
    wfs_store *store;           /* a fork */
    uint64_t hash;
} sweep_snapshot;

/* Not with a transaction open. Drop it with sweep_drop before the allocator
 * of the store is expected to be clean. */
static inline sweep_snapshot sweep_snapshot_of(wfs_store *store)
{
    sweep_snapshot snapshot;

    assert_int_equal(wfs_store_fork(store, &snapshot.store), WFS_OK);
    snapshot.hash = wfs_store_hash(store);
    return snapshot;
}

static inline void sweep_drop(sweep_snapshot *snapshot)
{
    wfs_store_free(snapshot->store);
    snapshot->store = NULL;
}

/* Row by row, in both directions. */
static inline void sweep_expect_same(const sweep_snapshot *snapshot,
                                     const wfs_store *store)
{
    wfs_error difference;

    if (!wfs_store_equal(snapshot->store, store, &difference))
        fail_msg("the store changed: %s", difference.message);
    assert_true(wfs_store_equal(store, snapshot->store, NULL));
    assert_true(wfs_store_hash(store) == snapshot->hash);
}

#endif /* SWEEP_H */
