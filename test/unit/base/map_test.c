/* SPDX-License-Identifier: Apache-2.0 */
#include <raftmq/base.h>

#include "unit.h"

static void dump(const struct map *m, struct buf *out)
{
	out->n = 0;
	for (struct map_iter i = map_first(m); i.at; map_next(&i))
		buf_printf(out, "%.*s=%d ", (int)i.key_n,
			   (const char *)i.key, *(int *)i.value);
}

TEST(map_walks_in_order_of_insertion)
{
	struct map m = { 0 };
	struct buf out = { 0 };
	int v[] = { 0, 1, 2, 3 };

	ck_assert_uint_eq(map_count(&m), 0);
	ck_assert_ptr_null(map_first(&m).at);
	map_put_str(&m, STR("zeta"), &v[1]);
	map_put_str(&m, STR("alpha"), &v[2]);
	map_put_str(&m, STR(""), &v[3]);
	dump(&m, &out);
	ck_assert_str_eq(buf_c(&out), "zeta=1 alpha=2 =3 ");
	map_put_str(&m, STR("zeta"), &v[0]); /* keeps its place */
	dump(&m, &out);
	ck_assert_str_eq(buf_c(&out), "zeta=0 alpha=2 =3 ");
	ck_assert_ptr_eq(map_remove_str(&m, STR("zeta")), &v[0]);
	ck_assert_ptr_null(map_remove_str(&m, STR("zeta")));
	map_put_str(&m, STR("zeta"), &v[1]);
	dump(&m, &out);
	ck_assert_str_eq(buf_c(&out), "alpha=2 =3 zeta=1 ");
	map_fini(&m);
	ck_assert_uint_eq(map_count(&m), 0);
	buf_fini(&out);
}

TEST(map_copies_its_keys)
{
	struct map m = { 0 };
	char key[] = "orders";
	int v;

	map_put(&m, key, 6, &v);
	memset(key, 'x', 6);
	ck_assert_ptr_eq(map_find(&m, "orders", 6), &v);
	ck_assert_ptr_null(map_find(&m, "xxxxxx", 6));
	ck_assert_ptr_null(map_find(&m, "order", 5));
	map_fini(&m);
}

TEST(map_entry_may_be_removed_while_walking)
{
	struct map m = { 0 };
	int v[100];
	int64_t sum = 0;

	for (int i = 0; i < 100; i++) {
		v[i] = i;
		map_put_i64(&m, i - 50, &v[i]);
	}
	for (struct map_iter i = map_first(&m); i.at; map_next(&i)) {
		int value = *(int *)i.value;

		sum = sum * 3 + value;
		if (value % 2)
			map_remove(&m, i.key, i.key_n);
	}
	ck_assert_uint_eq(map_count(&m), 50);
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_eq(map_find_i64(&m, i - 50),
				 i % 2 ? NULL : &v[i]);
	map_fini(&m);
}

TEST(map_agrees_with_an_array_over_random_operations)
{
	struct map m = { 0 };
	struct prng p;
	int values[512];
	bool there[512] = { false };
	size_t n = 0;

	prng_init(&p, 11);
	for (int round = 0; round < unit_rounds(50000); round++) {
		size_t k = prng_below(&p, countof(there));
		void *found = map_find_i64(&m, (int64_t)k);

		ck_assert_ptr_eq(found, there[k] ? &values[k] : NULL);
		if (there[k] && prng_below(&p, 2)) {
			ck_assert_ptr_eq(map_remove_i64(&m, (int64_t)k), found);
			there[k] = false;
			n--;
		} else {
			n += !there[k];
			map_put_i64(&m, (int64_t)k, &values[k]);
			there[k] = true;
		}
		ck_assert_uint_eq(map_count(&m), n);
	}
	map_fini(&m);
}
