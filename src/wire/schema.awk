# SPDX-License-Identifier: Apache-2.0
#
# schema.awk: a schema in, one C file out. Plain POSIX awk.
#
#	awk -f schema.awk -v unit=NAME -v emit=h NAME.schema  -> gen/NAME.h
#	awk -f schema.awk -v unit=NAME -v emit=c NAME.schema  -> gen_NAME.c
#
# The language. One message or field per line, nesting by tabs, # comments:
#
#	message NAME key K versions A-B flexible F
#		field TYPE [VERSIONS] [=DEFAULT] [tag N]
#
#   K         the API key, or any number (-1) when it is no Kafka API
#   F         first flexible version (KIP-482), or never
#   TYPE      bool i8 i16 u16 i32 u32 i64 f64 uuid str bytes records
#             {name} a struct inside, [TYPE] and [name] arrays; the fields of
#             a struct follow one level deeper. A name is unique within its
#             message; used a second time it means the same struct.
#   TYPE?     null is legal in all versions, TYPE?3+ and TYPE?2-7 in these
#   VERSIONS  3+ or 2-7; all without
#   DEFAULT   a number, true or null; 0, false, empty without. A struct that
#             may be null is null by default.
#
# In C a message Foo and its struct bar are struct foo and struct foo_bar with
# foo_type and foo_bar_type. NAME_messages lists the messages in order of the
# file; where keys are real, NAME_apis has the pairs FooRequest, FooResponse.

function die(text) {
	print FILENAME ":" FNR ": " text > "/dev/stderr"
	failed = 1
	exit 1
}

function snake(s,    i, c, o) {
	o = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c ~ /[A-Z]/ && o != "" && \
		    (substr(s, i - 1, 1) ~ /[a-z0-9]/ || \
		     substr(s, i + 1, 1) ~ /[a-z]/))
			o = o "_"
		o = o tolower(c)
	}
	return o
}

# "3+" or "2-7" into range_min and range_max
function range(s,    part) {
	if (s ~ /^[0-9]+\+$/) {
		range_min = s + 0
		range_max = 32767
	} else if (s ~ /^[0-9]+-[0-9]+$/) {
		split(s, part, "-")
		range_min = part[1] + 0
		range_max = part[2] + 0
	} else {
		die("bad versions " s)
	}
}

function open_struct(cname, title) {
	structs++
	s_cname[structs] = cname
	s_title[structs] = title
	s_message[structs] = messages
	s_fields[structs] = 0
	return structs
}

function message(    s) {
	if (NF != 8 || $3 != "key" || $5 != "versions" || $7 != "flexible")
		die("message NAME key K versions A-B flexible F")
	if ($2 in message_of)
		die("message " $2 " twice")
	messages++
	message_of[$2] = messages
	m_name[messages] = $2
	m_key[messages] = $4 + 0
	range($6)
	m_min[messages] = range_min
	m_max[messages] = range_max
	m_flexible[messages] = $8 == "never" ? 32767 : $8 + 0
	s = open_struct(snake($2), $2)
	m_struct[messages] = s
	split("", named)
	owner[1] = s
	level = 0
}

# The struct called name of this message; opened now or reused.
function named_struct(name, depth,    s) {
	if (name in named) {
		owner[depth + 1] = 0
		return named[name]
	}
	s = open_struct(s_cname[m_struct[messages]] "_" name, \
			m_name[messages] "." name)
	named[name] = s
	owner[depth + 1] = s
	return s
}

function type_of(f, text, depth,    q) {
	q = index(text, "?")
	f_null_min[f] = 1
	f_null_max[f] = 0
	if (q) {
		f_null_min[f] = 0
		f_null_max[f] = 32767
		if (q < length(text)) {
			range(substr(text, q + 1))
			f_null_min[f] = range_min
			f_null_max[f] = range_max
		}
		text = substr(text, 1, q - 1)
	}
	owner[depth + 1] = 0
	f_array[f] = text ~ /^\[[a-z0-9_]+\]$/
	if (f_array[f])
		text = substr(text, 2, length(text) - 2)
	if (text in kind) {
		f_kind[f] = text
		f_struct[f] = 0
		return
	}
	if (!f_array[f]) {
		if (text !~ /^\{[a-z0-9_]+\}$/)
			die("bad type " text)
		text = substr(text, 2, length(text) - 2)
	}
	f_kind[f] = "struct"
	f_struct[f] = named_struct(text, depth)
	f_pointer[f] = !f_array[f] && q
}

function field(depth,    s, f, i) {
	s = owner[depth]
	if (!s)
		die("no struct is open here")
	fields++
	f = fields
	s_field[s, ++s_fields[s]] = f
	f_name[f] = $1
	f_tag[f] = -1
	f_min[f] = 0
	f_max[f] = 32767
	f_default[f] = ""
	type_of(f, $2, depth)
	for (i = 3; i <= NF; i++) {
		if ($i ~ /^[0-9]/) {
			range($i)
			f_min[f] = range_min
			f_max[f] = range_max
		} else if ($i ~ /^=/) {
			f_default[f] = substr($i, 2)
		} else if ($i == "tag" && i < NF) {
			f_tag[f] = $(++i) + 0
			if (f_min[f] < m_flexible[messages])
				f_min[f] = m_flexible[messages]
		} else {
			die("what is " $i)
		}
	}
}

BEGIN {
	split("bool:bool i8:int8_t i16:int16_t u16:uint16_t i32:int32_t " \
	      "u32:uint32_t i64:int64_t f64:double uuid:struct;uuid " \
	      "str:struct;str bytes:struct;bytes records:struct;records", \
	      pairs, " ")
	for (p in pairs) {
		split(pairs[p], pair, ":")
		sub(/;/, " ", pair[2])
		kind[pair[1]] = pair[2]
	}
}

{ sub(/#.*/, "") }
/^[ \t]*$/ { next }
/^message / { message(); next }
{
	match($0, /^\t*/)
	if (RLENGTH < 1 || RLENGTH > level + 1 || !messages)
		die("bad indentation")
	level = RLENGTH
	field(level)
}

# ---- out ---------------------------------------------------------------------

function number(text) {
	if (text == "" || text == "false")
		return "0"
	if (text == "-9223372036854775808")
		return "INT64_MIN"
	if (text == "-2147483648")
		return "INT32_MIN"
	return text
}

function initial(f,    null, k) {
	null = f_default[f] == "null"
	k = f_kind[f]
	if (f_array[f])
		return "." f_name[f] "_n = " (null ? -1 : 0)
	if (f_struct[f])
		return "." f_name[f] " = " \
			(f_pointer[f] ? "NULL" : initials(f_struct[f]))
	if (k == "str")
		return "." f_name[f] " = { " (null ? "NULL, -1" : "\"\", 0") " }"
	if (k == "bytes")
		return "." f_name[f] " = { " \
			(null ? "NULL, -1" : "NOTHING, 0") " }"
	if (k == "records")
		return "." f_name[f] " = { " \
			(null ? "NULL, -1" : "NOTHING, 0") ", NULL }"
	if (k == "uuid")
		return "." f_name[f] " = { { 0 } }"
	return "." f_name[f] " = " number(f_default[f])
}

function initials(s,    i, o) {
	if (!s_fields[s])
		return "{ 0 }"
	o = "{"
	for (i = 1; i <= s_fields[s]; i++)
		o = o "\n\t" initial(s_field[s, i]) ","
	return o "\n}"
}

function print_struct(s,    i, f, c) {
	if (s in printed)
		return
	printed[s] = 1
	for (i = 1; i <= s_fields[s]; i++)
		if (f_struct[s_field[s, i]])
			print_struct(f_struct[s_field[s, i]])
	print "struct " s_cname[s] " {"
	for (i = 1; i <= s_fields[s]; i++) {
		f = s_field[s, i]
		c = f_struct[f] ? "struct " s_cname[f_struct[f]] : kind[f_kind[f]]
		if (f_array[f])
			print "\tint32_t " f_name[f] "_n;"
		print "\t" c " " (f_array[f] || f_pointer[f] ? "*" : "") \
			f_name[f] ";"
	}
	if (!s_fields[s])
		print "\tchar nothing;"
	print "};"
	print "extern const struct wire_type " s_cname[s] "_type;\n"
}

function header(    m, guard) {
	guard = "RAFTMQ_GEN_" toupper(unit) "_H"
	print "/* Made by schema.awk from the schema of " unit ". */"
	print "#ifndef " guard "\n#define " guard "\n"
	print "#include <raftmq/wire.h>\n"
	for (m = 1; m <= messages; m++)
		print_struct(m_struct[m])
	print "extern const struct wire_type *const " unit "_messages[];"
	print "extern const int " unit "_messages_n;"
	print "extern const struct wire_api " unit "_apis[]; /* by key */"
	print "extern const int " unit "_apis_n;"
	print "\n#endif"
}

function print_field(s, f,    c) {
	c = "struct " s_cname[s]
	printf "\t{ .name = \"%s\", .kind = WIRE_%s, .tag = %d,\n", \
		f_name[f], toupper(f_kind[f]), f_tag[f]
	if (f_array[f])
		printf "\t  .array = true, .count_offset = offsetof(%s, %s_n),\n", \
			c, f_name[f]
	if (f_struct[f])
		printf "\t  .type = &%s_type,\n", s_cname[f_struct[f]]
	printf "\t  .min = %d, .max = %d, .null_min = %d, .null_max = %d,\n", \
		f_min[f], f_max[f], f_null_min[f], f_null_max[f]
	printf "\t  .offset = offsetof(%s, %s) },\n", c, f_name[f]
}

# The ordinary fields in order, then the tagged ones by tag; gives the number
# of the ordinary ones.
function print_fields(s,    i, f, t, ordinary, tagged) {
	print "static const struct wire_field " s_cname[s] "_fields[] = {"
	for (i = 1; i <= s_fields[s]; i++) {
		f = s_field[s, i]
		if (f_tag[f] < 0) {
			ordinary++
			print_field(s, f)
		}
	}
	for (t = 0; ordinary + tagged < s_fields[s] && t < 128; t++)
		for (i = 1; i <= s_fields[s]; i++)
			if (f_tag[s_field[s, i]] == t) {
				tagged++
				print_field(s, s_field[s, i])
			}
	print "};"
	return ordinary + 0
}

function print_type(s,    m, n, c) {
	c = s_cname[s]
	m = s_message[s]
	n = 0
	print "static const struct " c " " c "_preset = " initials(s) ";"
	if (s_fields[s])
		n = print_fields(s)
	print "const struct wire_type " c "_type = {"
	printf "\t.name = \"%s\", .size = sizeof(struct %s),\n", s_title[s], c
	printf "\t.key = %d, .min = %d, .max = %d, .flexible = %d,\n", \
		m_struct[m] == s ? m_key[m] : -1, m_min[m], m_max[m], \
		m_flexible[m]
	printf "\t.preset = &%s_preset, .fields = %s,\n", c, \
		s_fields[s] ? c "_fields" : "NULL"
	printf "\t.plain_n = %d, .fields_n = %d,\n};\n\n", n, s_fields[s]
}

function print_apis(    m, name, response, top) {
	top = 0
	print "const struct wire_api " unit "_apis[] = {"
	for (m = 1; m <= messages; m++) {
		name = m_name[m]
		if (m_key[m] < 0 || !sub(/Request$/, "", name) || \
		    !((name "Response") in message_of))
			continue
		response = m_struct[message_of[name "Response"]]
		printf "\t[%d] = { %d, \"%s\", &%s_type,\n\t\t&%s_type },\n", \
			m_key[m], m_key[m], name, s_cname[m_struct[m]], \
			s_cname[response]
		if (m_key[m] >= top)
			top = m_key[m] + 1
	}
	if (!top)
		print "\t{ -1, NULL, NULL, NULL },"
	print "};\nconst int " unit "_apis_n = " top ";"
}

function source(    s, m) {
	print "/* Made by schema.awk from the schema of " unit ". */"
	print "#include <raftmq/wire.h>"
	print "#include <raftmq/gen/" unit ".h>\n"
	print "#define NOTHING ((const uint8_t *)\"\")\n"
	for (s = 1; s <= structs; s++)
		print_type(s)
	print "const struct wire_type *const " unit "_messages[] = {"
	for (m = 1; m <= messages; m++)
		print "\t&" s_cname[m_struct[m]] "_type,"
	print "};\nconst int " unit "_messages_n = " messages ";\n"
	print_apis()
}

END {
	if (failed)
		exit 1
	if (emit == "h")
		header()
	else
		source()
}
