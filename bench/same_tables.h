/* Compares the final tables of both sides. */
#ifndef BENCH_SAME_TABLES_H
#define BENCH_SAME_TABLES_H

#include "bench.h"
#include "sqlite_peer.h"
#include "wfscenario.h"

/* Whether a table holds the same rows: ids, versions and every column. */
bool same_table(wfs_store *store, sqlite_peer *peer, const peer_table *table,
                bench_difference *difference);

/* Change every column of a table's last row (of an empty table: add a row) on
 * the peer's side, one at a time, and look that same_table finds each. Ends
 * the program if not. How many changes were tried. */
size_t same_table_self_test(wfs_store *store, sqlite_peer *peer,
                            const peer_table *table);

/* The two above for all four tables of an engine: ours is a bench_engine. */
bool same_engine(void *ours, void *peer, bench_difference *difference);
size_t same_engine_self_test(void *ours, void *peer);

#endif
