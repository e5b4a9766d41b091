/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut_note: LOG/cut, a few bytes that correct a checkpoint. A recovery that
 * finds less of a log than its checkpoint vouches for takes that for damage;
 * so a cut below that point is noted, and synced, before it happens.
 *
 * 1. A note names the checkpoint it corrects. Two may be meant: the one that
 *    is on disk and the one on its way there.
 * 2. What is noted is the lowest cut since, or that the log began anew.
 */
#include <stdio.h>

#include "log_internal.h"

#define CUT_MAGIC UINT64_C(0x524d514355543031) /* "RMQCUT01" */
#define ONE 20 /* checkpoint 8, kind 4, offset 8 */
#define AT(i) (16 + ONE * (i))
#define BYTES (AT(2) + 4)

static int save(struct store *s, const char *dir, const struct vouch v[2])
{
	struct disk *d = s->disk;
	char path[LOG_PATH_MAX + 8];
	uint8_t p[BYTES];
	struct file *f;
	int r;

	put_be64(p, CUT_MAGIC);
	put_be64(p + 8, s->life);
	for (int i = 0; i < 2; i++) {
		put_be64(p + AT(i), v[i].checkpoint);
		put_be32(p + AT(i) + 8, (uint32_t)v[i].kind);
		put_be64(p + AT(i) + 12, (uint64_t)v[i].cut);
	}
	put_be32(p + AT(2), crc32c(0, p, AT(2)));
	snprintf(path, sizeof(path), "%s/" CUT_NAME, dir);
	r = disk_open(d, path, DISK_WRITE | DISK_CREATE, &f);
	if (r)
		return r;
	r = disk_write(d, f, 0, p, sizeof(p));
	if (!r)
		r = d->ops->sync(f) ? -EIO : 0;
	d->ops->close(f);
	if (!r)
		r = d->ops->sync_dir(d, dir) ? -EIO : 0;
	return r;
}

int cut_note_load(struct disk *d, const char *dir, uint64_t life,
		  uint64_t checkpoint, struct vouch *out)
{
	char path[LOG_PATH_MAX + 8];
	uint8_t p[BYTES];
	struct file *f;
	int64_t got;
	int r;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "%s/" CUT_NAME, dir);
	r = disk_open(d, path, DISK_READ, &f);
	if (r)
		return r == -ENOENT ? 0 : r;
	got = disk_read(d, f, 0, p, sizeof(p));
	d->ops->close(f);
	if (got < 0)
		return (int)got;
	if (got != (int64_t)sizeof(p) || get_be64(p) != CUT_MAGIC ||
	    get_be32(p + AT(2)) != crc32c(0, p, AT(2)) ||
	    get_be64(p + 8) != life)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (get_be64(p + AT(i)) != checkpoint)
			continue;
		out->checkpoint = checkpoint;
		out->kind = (enum journal_kind)get_be32(p + AT(i) + 8);
		out->cut = (int64_t)get_be64(p + AT(i) + 12);
	}
	return 0;
}

static bool lower(struct vouch *v, enum journal_kind kind, int64_t offset)
{
	if (v->end <= 0 && v->kind != JOURNAL_CLEAR)
		return false;
	if (kind == JOURNAL_CUT &&
	    (v->kind == JOURNAL_CLEAR || offset >= v->end ||
	     (v->kind == JOURNAL_CUT && offset >= v->cut)))
		return false;
	v->kind = kind;
	v->cut = offset;
	return true;
}

/* Blocks, but only when old data goes: a follower that had diverged long. */
int cut_note(struct log *l, enum journal_kind kind, int64_t offset)
{
	struct vouch v[2] = { l->vouched[0], l->vouched[1] };
	char dir[LOG_PATH_MAX];
	bool changed = false;
	int r;

	for (int i = 0; i < 2; i++)
		changed |= lower(&v[i], kind, offset);
	if (!changed || !l->store->journal.on)
		return 0;
	log_dir_path(l, dir);
	r = save(l->store, dir, v);
	if (!r)
		memcpy(l->vouched, v, sizeof(v));
	return r;
}

int cut_note_anew(struct log *l, const char *dir)
{
	const struct store *s = l->store;

	for (int i = 0; i < 2; i++)
		l->vouched[i] = (struct vouch){
			.checkpoint = i ? s->checkpoint : s->checkpoint_kept,
			.kind = JOURNAL_CLEAR,
		};
	return save(l->store, dir, l->vouched);
}

void vouch_encoded(struct log *l, uint64_t checkpoint)
{
	l->vouched[1] = (struct vouch){ .checkpoint = checkpoint,
					.end = l->end };
}

void vouch_written(struct log *l)
{
	l->vouched[0] = l->vouched[1];
}
