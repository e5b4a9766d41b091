/* SPDX-License-Identifier: Apache-2.0 */
/* slot: a small record kept twice; the contract is in slot.h. */
#include "slot.h"

#include <raftmq/base.h>

#define SLOT_STRIDE 4096 /* no device tears two pages at once */
#define SLOT_SIZE (4 + 8 + SLOT_DATA + 4)

static void encode(const struct slots *s, uint64_t serial,
		   const uint8_t data[SLOT_DATA], uint8_t out[SLOT_SIZE])
{
	put_be32(out, s->magic);
	put_be64(out + 4, serial);
	memcpy(out + 12, data, SLOT_DATA);
	put_be32(out + 12 + SLOT_DATA, crc32c(0, out, 12 + SLOT_DATA));
}

static int write_copy(struct slots *s, unsigned which, uint64_t serial,
		      const uint8_t data[SLOT_DATA])
{
	uint8_t bytes[SLOT_SIZE];
	struct disk_span v = { bytes, sizeof(bytes) };

	encode(s, serial, data, bytes);
	return s->disk->ops->write(s->file, (int64_t)which * SLOT_STRIDE, &v,
				   1);
}

/* Good copy: 1, bad or missing: 0, error: negative. */
static int read_copy(struct slots *s, unsigned which, uint64_t *serial,
		     uint8_t data[SLOT_DATA])
{
	uint8_t b[SLOT_SIZE];
	int64_t n = s->disk->ops->read(s->file, (int64_t)which * SLOT_STRIDE, b,
				       sizeof(b), false);

	if (n < 0)
		return (int)n;
	if (n < (int64_t)sizeof(b) || get_be32(b) != s->magic ||
	    get_be32(b + 12 + SLOT_DATA) != crc32c(0, b, 12 + SLOT_DATA))
		return 0;
	*serial = get_be64(b + 4);
	memcpy(data, b + 12, SLOT_DATA);
	return 1;
}

static int load(struct slots *s, uint8_t data[SLOT_DATA])
{
	uint8_t copy[2][SLOT_DATA];
	uint64_t serial[2] = { 0, 0 };
	int good[2], newer;

	for (unsigned i = 0; i < 2; i++) {
		good[i] = read_copy(s, i, &serial[i], copy[i]);
		if (good[i] < 0)
			return good[i];
	}
	if (!good[0] && !good[1])
		return -EBADMSG;
	newer = !good[0] || (good[1] && serial[1] > serial[0]);
	s->serial = serial[newer];
	s->whole = good[0] && good[1] &&
		   memcmp(copy[0], copy[1], SLOT_DATA) == 0;
	memcpy(data, copy[newer], SLOT_DATA);
	return 0;
}

int slots_open(struct slots *s, struct disk *d, const char *path,
	       uint32_t magic, uint8_t data[SLOT_DATA])
{
	int rc;

	*s = (struct slots){ .disk = d, .magic = magic };
	rc = d->ops->open(d, path, DISK_WRITE, &s->file);
	if (rc)
		return rc;
	rc = load(s, data);
	if (rc)
		slots_close(s);
	return rc;
}

static int fill(struct slots *s, const uint8_t data[SLOT_DATA])
{
	static const uint8_t zeroes[SLOT_STRIDE];
	struct disk_span v[2] = { { zeroes, sizeof(zeroes) },
				  { zeroes, sizeof(zeroes) } };
	int rc = s->disk->ops->write(s->file, 0, v, 2);

	if (!rc)
		rc = write_copy(s, 1, 1, data);
	if (!rc)
		rc = write_copy(s, 0, 2, data);
	s->serial = 2;
	return rc ? rc : slots_sync(s);
}

int slots_create(struct slots *s, struct disk *d, const char *path,
		 uint32_t magic, const uint8_t data[SLOT_DATA])
{
	char temp[64];
	struct buf name = { 0 };
	int rc;

	buf_printf(&name, "%s.new", path);
	assert(name.n < sizeof(temp));
	memcpy(temp, buf_c(&name), name.n + 1);
	buf_fini(&name);
	*s = (struct slots){ .disk = d, .magic = magic, .whole = true };
	rc = d->ops->open(d, temp, DISK_WRITE | DISK_CREATE, &s->file);
	if (rc)
		return rc;
	rc = fill(s, data);
	if (!rc)
		rc = d->ops->rename(d, temp, path);
	if (!rc)
		rc = d->ops->sync_dir(d, "quorum");
	if (rc)
		slots_close(s);
	return rc;
}

int slots_put(struct slots *s, const uint8_t data[SLOT_DATA])
{
	s->serial++;
	return write_copy(s, (unsigned)(s->serial % 2), s->serial, data);
}

int slots_put_both(struct slots *s, const uint8_t data[SLOT_DATA])
{
	for (int i = 0; i < 2; i++) {
		int rc = slots_put(s, data);

		if (!rc)
			rc = slots_sync(s);
		if (rc)
			return rc;
	}
	return 0;
}

int slots_sync(struct slots *s)
{
	return s->disk->ops->sync(s->file);
}

void slots_close(struct slots *s)
{
	if (s->file)
		s->disk->ops->close(s->file);
	s->file = NULL;
}
