/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dirs: where logs stand, the names in log/. A log begins in a directory that
 * nobody had; what has to go gets another name first and is unlinked later, or
 * never:
 *
 *	NAME.TOPIC-ID.LIFE.N-delete	deleted, or not finished
 *	NAME.TOPIC-ID.LIFE.N-stray	of another topic, or of nobody
 *	NAME.TOPIC-ID.LIFE.N-damaged	set aside, to be copied anew
 *
 * A start that moves one aside leaves the topic's id out (repair.c): what one
 * life put aside on purpose is told by it. A name counts when log/ has been
 * synced (store.root_fresh).
 */
#include <stdio.h>

#include "log_internal.h"

/* Life and number keep the names of one topic's many ends apart. */
void dirs_path(struct store *s, const struct log *l, struct uuid topic,
	       const char *suffix, char out[LOG_PATH_MAX])
{
	char id[UUID_TEXT_MAX];

	uuid_text(topic, id);
	snprintf(out, LOG_PATH_MAX,
		 LOG_ROOT "/%.*s.%s.%" PRIx64 ".%" PRIx64 "-%s", LOG_NAME_KEEP,
		 l->dir, id, s->life, s->next_name++, suffix);
}

/*
 * Ids differ in all their bytes; where half of them are right it is the text
 * that was damaged: a topic id has no checksum.
 */
bool dirs_same_topic(struct uuid a, struct uuid b)
{
	int same = 0;

	for (size_t i = 0; i < sizeof(a.b); i++)
		same += a.b[i] == b.b[i];
	return same >= (int)sizeof(a.b) / 2;
}

static int write_metadata(struct store *s, const struct log *l,
			  const char *dir)
{
	char path[LOG_PATH_MAX + 32], id[UUID_TEXT_MAX];
	struct buf text = { 0 };
	struct file *f;
	int r;

	snprintf(path, sizeof(path), "%s/" METADATA_NAME, dir);
	r = disk_open(s->disk, path, DISK_WRITE | DISK_CREATE, &f);
	if (r)
		return r;
	uuid_text(l->topic_id, id);
	buf_printf(&text, "version: 0\ntopic_id: %s\n", id);
	r = s->disk->ops->truncate(f, 0);
	if (!r)
		r = disk_write(s->disk, f, 0, text.p, text.n);
	s->disk->ops->close(f);
	buf_fini(&text);
	return r;
}

int dirs_make(struct store *s, const struct log *l, const char *dir)
{
	int r = s->disk->ops->mkdir(s->disk, dir);

	s->root_fresh = true;
	return r ? r : write_metadata(s, l, dir);
}

/* The checkpoint and the journal will know it; the file need not. */
void dirs_mend_topic(struct store *s, struct log *l, struct uuid topic)
{
	char dir[LOG_PATH_MAX];

	l->topic_id = topic;
	if (l->damaged)
		return; /* left as it is */
	log_dir_path(l, dir);
	trace_warn("log", "a topic id is damaged, and written anew",
		   "file=%s/" METADATA_NAME, dir);
	(void)!write_metadata(s, l, dir);
}

/* Before is whose it was; zero: nobody's, its deletion failed, for one. Where
 * nothing is in it, as a power cut leaves it, there is nothing to keep. */
static int clear_place(struct store *s, const struct log *l, const char *dir,
		       struct uuid before)
{
	char to[LOG_PATH_MAX];
	int r;

	if (s->disk->ops->rmdir(s->disk, dir) == 0)
		return 0;
	dirs_path(s, l, before, "stray", to);
	r = s->disk->ops->rename(s->disk, dir, to);
	if (!r)
		trace_warn("log", "a directory of another topic, or of "
			   "nobody, is moved aside", "from=%s to=%s", dir, to);
	return r == -ENOENT ? 0 : r;
}

/*
 * A log that nobody knew. Where the checkpoint on disk speaks of an earlier
 * one of this name its directory appears together with a note that says so.
 */
int dirs_begin(struct store *s, struct log *l, struct uuid before)
{
	char dir[LOG_PATH_MAX], aside[LOG_PATH_MAX];
	int r;

	log_dir_path(l, dir);
	r = clear_place(s, l, dir, before);
	if (r || !map_find(&s->buried, l->dir, strlen(l->dir)))
		return r ? r : dirs_make(s, l, dir);
	/* left over it is swept away */
	dirs_path(s, l, l->topic_id, "delete", aside);
	r = dirs_make(s, l, aside);
	if (!r)
		r = cut_note_anew(l, aside);
	return r ? r : s->disk->ops->rename(s->disk, aside, dir);
}
