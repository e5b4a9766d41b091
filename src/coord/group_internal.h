/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of coord share among themselves. */
#ifndef GROUP_INTERNAL_H
#define GROUP_INTERNAL_H

#include <raftmq/coord.h>

/* One command being applied. */
struct apply {
	struct coord *coord;
	const struct cluster *cluster;
	int64_t time_ms; /* of the proposer; the only time there is */
	struct arena *arena;
	struct coord_effects *out;
};

/* A result struct of that type, preset, as the effect's answer. */
void *apply_result(struct apply *a, const struct wire_type *type);
void apply_changed(struct apply *a, const struct group *g);

/* group.c */
struct group *group_find(struct coord *c, struct str id);
struct group *group_make(struct apply *a, struct str id);
void group_destroy(struct coord *c, struct group *g);
void group_free(struct group *g);
void group_set_state(struct apply *a, struct group *g, enum group_state to);
struct member *group_find_member(const struct group *g, struct str id);
struct member *group_add_member(struct coord *c, struct group *g,
				struct str id, struct str instance_id);
void group_remove_member(struct coord *c, struct group *g, struct member *m);
void group_rename_member(struct group *g, struct member *m, struct str id);
void member_set_assignment(struct member *m, struct bytes assignment);
void group_set_text(char **at, struct str s);

/* protocol.c */
void member_set_protocols(struct member *m, const struct group_join *j);
bool member_matches(const struct member *m, const struct group_join *j);
const char *group_select_protocol(const struct group *g);

/* classic.c */
void classic_join(struct apply *a, const struct group_join *j);
void classic_sync(struct apply *a, const struct group_sync *s);
void classic_leave(struct apply *a, const struct group_leave *l);
void classic_expire(struct apply *a, const struct group_expire *e);
void classic_complete(struct apply *a, const struct group_complete *c);

/* offset.c */
void offsets_commit(struct apply *a, const struct offsets_commit *c);
void offsets_delete(struct apply *a, const struct offsets_delete *d);
void offsets_expire(struct apply *a, const struct offsets_expire *e);
void groups_delete(struct apply *a, const struct groups_delete *d);
struct group_offset *group_put_offset(struct coord *c, struct group *g,
				      struct uuid topic_id, int32_t partition);
void group_offset_free(struct group_offset *o);

#endif
