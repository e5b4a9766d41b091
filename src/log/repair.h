/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair.h: one log under repair, as survey.c looks at it and repair.c acts.
 */
#ifndef LOG_REPAIR_H
#define LOG_REPAIR_H

#include "replay.h"

#define NONE INT64_MAX

struct plan { /* what the journal says, summed up */
	int32_t *view; /* APPENDs that are still there, in order of offset */
	int32_t n, cap;
	int64_t low;     /* lowest cut; NONE */
	int64_t restart; /* last CLEAR; NONE */
	bool closed_end; /* nothing behind the journal's end may stay */
	/* As known at the end; what contradicts them is from before a cut. */
	struct epochs epochs;
};
struct place {
	int64_t *base; /* the files of the directory, ascending */
	int32_t n, cap;
	bool missing;
};
struct work {
	struct repair *r;
	const char *dir;
	const struct known_log *known; /* or NULL */
	struct log *old; /* as the checkpoint has it, or NULL */
	struct log *log; /* as it will be */
	const struct replay_log *rl; /* or NULL */
	struct plan plan;
	struct place place;
	int32_t at;    /* next of plan.view */
	int32_t file;  /* place.base[] under the scan */
	int64_t gone;  /* an empty file that made way for one before it; or 0 */
	int64_t bound; /* everything before is vouched for */
	bool damaged;
	bool unreadable; /* the checkpoint's entry makes no sense */
	bool named;    /* its partition.metadata is right */
	bool misnamed; /* it is to be written anew */
	bool recheck;  /* it was damaged at an earlier start */
	const char *why; /* it is damaged, and where; the first thing found */
	int64_t bad_base, bad_pos; /* -1: not one file, not one place */
	bool torn;     /* bytes behind the end have to go */
};

/* ---- survey.c ------------------------------------------------------------ */

/* What its names, its directory and the journal say; w->old is set already. */
int survey_begin(struct work *w) must_use;
void survey_fini(struct work *w);
/* TOPIC-PARTITION apart; false when it is no such name. */
bool survey_split_name(const char *dir, struct str *topic, int32_t *partition);
/* The topic's id beside the segments; zero: none can be read there. */
int survey_metadata(struct work *w, struct uuid *id) must_use;
/* Nothing happened since the checkpoint, and the files are as it says. */
bool survey_is_untouched(struct work *w);
bool survey_sizes_fit(const struct log *old);
/* How far the log had come at least, by the journal: where its batches end,
 * where it was cut, where an epoch began. A checkpoint says more. */
int64_t survey_journaled_end(const struct work *w);
/* The log as it will be, without a segment; NULL: nothing is there. */
struct log *survey_new_log(struct work *w);
/* Finds what is whole, into w->log; w->damaged when that is not enough. */
int survey_log(struct work *w) must_use;
void survey_blame(struct work *w, int64_t base, int64_t pos, const char *why);
int64_t survey_file_size(struct segment *g);
/* The next of the journal's batches, and where they end. */
const struct replay_op *survey_op(const struct work *w);
int64_t survey_end(const struct work *w);

#endif
