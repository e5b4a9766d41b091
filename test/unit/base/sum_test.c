/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c, hash, prng, uuid: what is drawn, summed and named */
#include <raftmq/base.h>

#include "unit.h"

/* RFC 3720, appendix B.4 */
TEST(crc32c_of_the_vectors_of_rfc_3720)
{
	uint8_t data[32] = { 0 };

	ck_assert_uint_eq(crc32c(0, data, 32), 0x8a9136aa);
	memset(data, 0xff, 32);
	ck_assert_uint_eq(crc32c(0, data, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		data[i] = i;
	ck_assert_uint_eq(crc32c(0, data, 32), 0x46dd794e);
	for (uint8_t i = 0; i < 32; i++)
		data[i] = (uint8_t)(31 - i);
	ck_assert_uint_eq(crc32c(0, data, 32), 0x113fdb5c);
	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c(0, NULL, 0), 0);
}

TEST(crc32c_by_table_and_by_library_agree)
{
	uint8_t data[3000];
	struct prng p;

	prng_init(&p, 3);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)prng_next(&p);
	for (int i = 0; i < 3000; i++) {
		size_t at = prng_below(&p, 1000), n = prng_below(&p, 2000);
		uint32_t from = (uint32_t)prng_next(&p);

		ck_assert_uint_eq(crc32c(from, data + at, n),
				  crc32c_table(from, data + at, n));
	}
}

TEST(crc32c_of_parts_is_that_of_the_whole)
{
	uint32_t part = crc32c(crc32c(0, "12345", 5), "6789", 4);

	ck_assert_uint_eq(part, 0xe3069283);
	part = crc32c_table(crc32c_table(0, "1", 1), "23456789", 8);
	ck_assert_uint_eq(part, 0xe3069283);
}

/* The numbers are part of the data format: this test is never adapted. */
TEST(hash64_never_changes)
{
	static const struct {
		const char *text;
		uint64_t seed, hash;
	} vectors[] = {
		{ "", 0, 0xcb27061ddc6aaf36 },
		{ "a", 1, 0x4457e75273dd2902 },
		{ "abc", 2, 0x6272fe2ec7da2621 },
		{ "abcd", 3, 0xa699851386084a12 },
		{ "abcdefg", 4, 0xffb3360829aca44d },
		{ "abcdefgh", 5, 0xd87acee53545830f },
		{ "0123456789abcde", 6, 0x728648a70a7e41b9 },
		{ "0123456789abcdef", 7, 0xc47dd885a84f0905 },
		{ "0123456789abcdef0", 8, 0xc7709296a66b84a2 },
		{ "the quick brown fox jumps over the lazy dog", 9,
		  0x893197ac116db7cb },
	};

	for (size_t i = 0; i < countof(vectors); i++)
		ck_assert_uint_eq(hash64(vectors[i].text,
					 strlen(vectors[i].text),
					 vectors[i].seed), vectors[i].hash);
}

TEST(hash64_turns_half_of_the_bits_for_one)
{
	uint8_t key[40];
	struct prng p;
	uint64_t turned = 0, worst = 64, rounds = 0;

	prng_init(&p, 9);
	for (size_t n = 1; n <= sizeof(key); n++)
		for (int k = 0; k < 200; k++, rounds++) {
			uint64_t before, diff;

			for (size_t i = 0; i < n; i++)
				key[i] = (uint8_t)prng_next(&p);
			before = hash64(key, n, 0);
			key[prng_below(&p, n)] ^=
				(uint8_t)(1 << prng_below(&p, 8));
			diff = before ^ hash64(key, n, 0);
			turned += (uint64_t)__builtin_popcountll(diff);
			worst = min_of(worst, (uint64_t)
				       __builtin_popcountll(diff));
		}
	ck_assert_uint_ge(turned / rounds, 31);
	ck_assert_uint_le(turned / rounds, 32);
	ck_assert_uint_ge(worst, 8);
}

TEST(hash64_spreads_small_numbers_over_buckets)
{
	unsigned buckets[64] = { 0 };

	for (uint64_t i = 0; i < 64000; i++) {
		uint8_t key[8];

		put_be64(key, i);
		buckets[hash64(key, 8, 0) % 64]++;
	}
	for (size_t i = 0; i < 64; i++) {
		ck_assert_uint_gt(buckets[i], 850);
		ck_assert_uint_lt(buckets[i], 1150);
	}
}

TEST(prng_gives_the_same_numbers_for_ever)
{
	struct prng p = { { 1, 2, 3, 4 } };

	/* the first numbers of the authors' own xoshiro256starstar.c */
	ck_assert_uint_eq(prng_next(&p), 11520);
	ck_assert_uint_eq(prng_next(&p), 0);
	ck_assert_uint_eq(prng_next(&p), 1509978240);
	ck_assert_uint_eq(prng_next(&p), 1215971899390074240);
}

TEST(prng_below_is_even)
{
	unsigned seen[6] = { 0 };
	struct prng p;

	prng_init(&p, 1);
	for (int i = 0; i < 60000; i++)
		seen[prng_below(&p, 6)]++;
	for (size_t i = 0; i < 6; i++) {
		ck_assert_uint_gt(seen[i], 9700);
		ck_assert_uint_lt(seen[i], 10300);
	}
	ck_assert_uint_eq(prng_below(&p, 1), 0);
}

TEST(uuid_text_is_kafkas)
{
	struct uuid u;
	char text[UUID_TEXT_MAX];

	/* org.apache.kafka.common.Uuid: METADATA_TOPIC_ID */
	uuid_text((struct uuid){ { [15] = 1 } }, text);
	ck_assert_str_eq(text, "AAAAAAAAAAAAAAAAAAAAAQ");
	uuid_text((struct uuid){ { 0 } }, text);
	ck_assert_str_eq(text, "AAAAAAAAAAAAAAAAAAAAAA");
	memset(u.b, 0xff, 16);
	uuid_text(u, text);
	ck_assert_str_eq(text, "_____________________w");
	ck_assert(!uuid_is_zero(u));
	ck_assert(uuid_is_zero((struct uuid){ { 0 } }));
}

TEST(uuid_parse_reads_what_uuid_text_wrote)
{
	struct prng p;
	char text[UUID_TEXT_MAX];

	prng_init(&p, 4);
	for (int i = 0; i < 1000; i++) {
		struct uuid u = prng_uuid(&p), back;

		ck_assert_uint_eq(u.b[6] >> 4, 4);
		ck_assert_uint_eq(u.b[8] >> 6, 2);
		uuid_text(u, text);
		ck_assert_uint_eq(strlen(text), 22);
		ck_assert(uuid_parse(str_of(text), &back));
		ck_assert(uuid_eq(u, back));
	}
}

TEST(uuid_parse_refuses_everything_else)
{
	static const char *const bad[] = {
		"", "AAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAA!", "AAAAAAAAAAAAAAAAAAAA+A",
		"AAAAAAAAAAAAAAAAAAAAAB", /* bits behind the last byte */
		"AAAAAAAAAAAAAAAAAAAAAA=",
	};
	struct uuid u;

	for (size_t i = 0; i < countof(bad); i++)
		ck_assert_msg(!uuid_parse(str_of(bad[i]), &u), "%s", bad[i]);
	ck_assert(!uuid_parse(STR_NULL, &u));
	ck_assert(!uuid_parse(STR("AAAAAAAAAA\0AAAAAAAAAAA"), &u));
	ck_assert(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAAQ=="), &u));
}
