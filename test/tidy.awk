# SPDX-License-Identifier: Apache-2.0
#
# tidy: the style in numbers, and who may include whom, as a test. Reads all
# sources, Makefile.am and src/README.md (test/tidy.sh names them) and prints
# file:line: what is wrong. It knows lines and words, not C: what it accepts is
# not necessarily good, what it refuses is not necessarily wrong in another
# house.

BEGIN {
	LINES_PER_FILE = 800
	LINES_PER_FUNCTION = 60
	COLUMNS = 80
	PARAMETERS = 5
	TABS = 5 # deepest indentation of if, for, while, switch

	# floor: the floors whose headers it may include
	may["base"] = "base disk"
	may["wire"] = "base disk wire"
	may["log"] = "base disk wire log"
	may["replica"] = "base disk wire log replica"
	may["cluster"] = "base disk wire cluster"
	may["coord"] = "base disk wire cluster coord"
	may["quorum"] = "base disk wire cluster coord quorum"
	may["broker"] = "base disk wire log replica cluster coord broker"
	may["host"] = "base disk wire log replica cluster coord quorum" \
		" broker host"
	may["cmd"] = "base disk wire host"

	# what a pure floor may take from outside
	libc = "assert.h ctype.h endian.h errno.h float.h inttypes.h" \
		" limits.h math.h stdarg.h stdbool.h stddef.h stdint.h" \
		" stdio.h stdlib.h string.h strings.h"
	foreign["base"] = "isa-l/crc.h isa-l.h uthash.h utlist.h config.h" \
		" sanitizer/asan_interface.h"
	foreign_file["compress.c"] = "lz4.h lz4frame.h zstd.h zlib.h snappy-c.h"
	foreign["quorum"] = "raft.h"
	foreign_file["scram.c"] = "openssl/evp.h openssl/hmac.h" \
		" openssl/crypto.h openssl/sha.h"

	impure = "time clock clock_gettime gettimeofday localtime gmtime" \
		" rand random srand drand48 getrandom getentropy arc4random" \
		" printf fprintf vfprintf puts fputs putchar fopen fwrite" \
		" open close read write pread pwrite getenv system exit" \
		" pthread_create usleep sleep nanosleep socket"
	n = split(impure, w, " ")
	for (i = 1; i <= n; i++)
		is_impure[w[i]] = 1
}

function bad(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	found++
}

function has(list, word) {
	return index(" " list " ", " " word " ") > 0
}

# The floor of a file, "" outside of src and include.
function floor_of(path,    p, n) {
	n = split(path, p, "/")
	if (p[1] == "src")
		return p[2]
	if (path ~ /^include\/raftmq\/[a-z]+\.h$/) {
		sub(/\.h$/, "", p[n])
		return p[n] == "disk" ? "base" : p[n]
	}
	return ""
}

function width(s,    i, n, c) {
	gsub(/[\200-\277]/, "", s) # bytes of one UTF-8 character count once
	if (s !~ /\t/)
		return length(s)
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		n += c == "\t" ? 8 - n % 8 : 1
	}
	return n
}

# The line without strings, characters and comments.
function code_of(s,    out, i) {
	gsub(/\\./, "", s)
	gsub(/"[^"]*"/, "\"\"", s)
	gsub(/'[^']*'/, "0", s)
	if (in_comment) {
		i = index(s, "*/")
		if (!i)
			return ""
		s = substr(s, i + 2)
		in_comment = 0
	}
	while ((i = index(s, "/*")) > 0) {
		out = out substr(s, 1, i - 1)
		s = substr(s, i + 2)
		i = index(s, "*/")
		if (!i) {
			in_comment = 1
			return out
		}
		s = substr(s, i + 2)
	}
	sub(/\/\/.*/, "", s)
	return out s
}

function parameters(sig,    i, c, depth, n, words) {
	sub(/^[^(]*\(/, "", sig)
	for (i = 1; i <= length(sig); i++) {
		c = substr(sig, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && depth-- == 0)
			break
		else if (c == "," && depth == 0)
			n++
		else if (c !~ /[ \t]/)
			words = 1
	}
	return words ? n + 1 : 0
}

function include(code,    name, home, n, p) {
	if (code ~ /^#[ \t]*include[ \t]*"/) {
		name = $0
		sub(/^[^"]*"/, "", name)
		sub(/".*/, "", name)
		if (name ~ /\// && floor)
			bad("\"" name "\": a quoted include stays in the floor")
		return
	}
	name = $0
	sub(/^[^<]*</, "", name)
	sub(/>.*/, "", name)
	if (name ~ /^raftmq\/(gen|tbl)\//)
		return
	if (name ~ /^raftmq\//) {
		home = name
		sub(/^raftmq\//, "", home)
		sub(/\.h$/, "", home)
		if (!has(may[floor], home))
			bad(floor " may not include <" name ">")
		return
	}
	n = split(FILENAME, p, "/")
	if (floor == "host" || (floor == "cmd" && name != "raft.h") ||
	    has(libc, name) || has(foreign[floor], name) ||
	    has(foreign_file[p[n]], name))
		return
	bad(floor " may not include <" name "> here")
}

function calls(code,    word) {
	while (match(code, /[A-Za-z_][A-Za-z_0-9]*\(/)) {
		word = substr(code, RSTART, RLENGTH - 1)
		if (word in is_impure &&
		    substr(code, RSTART - 1, 1) !~ /[.>]/)
			bad(word "() below host")
		code = substr(code, RSTART + RLENGTH)
	}
}

function end_of_file(name, lines) {
	if (name ~ /\.(c|h|awk|sh)$/ && lines > LINES_PER_FILE) {
		printf "%s:%d: more than %d lines\n", name, lines,
			LINES_PER_FILE
		found++
	}
}

FNR == 1 {
	if (last_name)
		end_of_file(last_name, last_line)
	last_name = FILENAME
	floor = floor_of(FILENAME)
	is_c = FILENAME ~ /\.[ch]$/
	is_pure = floor != "" && floor != "host" && floor != "cmd" &&
		FILENAME !~ /\/(fail|trace)\.c$/
	in_comment = 0
	in_function = 0
	signature = ""
	guard = ""
	if (FILENAME ~ /^src\/[a-z\/_0-9]+\.[ch]$/) {
		n = split(FILENAME, part, "/")
		if (part[n] in place)
			bad("the name stands for " place[part[n]] " already")
		place[part[n]] = FILENAME
		folder[part[2]] = 1
		if (FILENAME ~ /\.c$/)
			source[FILENAME] = 1
	}
}
{ last_line = FNR }

FILENAME == "Makefile.am" {
	line = $0
	while (match(line, /src\/[a-z_0-9\/]+\.c/)) {
		built[substr(line, RSTART, RLENGTH)] = 1
		line = substr(line, RSTART + RLENGTH)
	}
	next
}
FILENAME == "src/README.md" {
	line = $0
	while (match(line, /`[a-z]+\/`/)) {
		told[substr(line, RSTART + 1, RLENGTH - 3)] = FNR
		line = substr(line, RSTART + RLENGTH)
	}
	next
}

FNR <= 2 && /SPDX-License-Identifier/ { licensed[FILENAME] = 1 }
FNR == 2 && FILENAME !~ /\.(def|schema|md)$/ && !(FILENAME in licensed) {
	bad("no SPDX line at the top")
}
/(^|[^A-Za-z_])(TO[D]O|FIX[M]E|XX[X])([^A-Za-z_]|$)/ { bad("unfinished") }
/\/(w[o]rk|r[o]ot|h[o]me)\// || /\.\.\/shar[e]d/ { bad("path of a machine") }
/[ \t]$/ { bad("blanks at the end of the line") }

!is_c { next }

# a test may write a story as one string
{ columns = FILENAME ~ /^test\/unit/ && /"/ ? 100 : COLUMNS }
width($0) > columns { bad("more than " columns " columns") }
{
	was_comment = in_comment
	code = code_of($0)
}
/^  +[^ ]/ && !was_comment { bad("indented with blanks") }
/\/\// && code ~ /\/\// { bad("// comment") }

# the rest is about src and include
!floor { next }

code ~ /^#[ \t]*include/ { include(code) }
code ~ /^#[ \t]*if/ && floor != "base" && floor != "host" &&
FILENAME !~ /\/compress\.c$/ {
	if (FILENAME ~ /\.h$/ && code ~ /^#ifndef [A-Z_0-9]+_H$/ && !guard)
		guard = code
	else
		bad("preprocessor branch outside base, host, compress.c")
}
is_pure && FILENAME ~ /\.c$/ && code !~ /^#/ { calls(code) }

code ~ /^(\t\t\t\t\t\t*)(if|for|while|switch) \(/ {
	match(code, /^\t+/)
	if (RLENGTH >= TABS)
		bad("nested too deeply")
}

# a definition: a line at the margin, maybe more, then { at the margin
code ~ /^[A-Za-z_]/ && code !~ /;[ \t]*$/ { signature = "" }
code ~ /^\{[ \t]*$/ && signature ~ /\(/ && signature !~ /[=;]/ {
	in_function = FNR
	n = parameters(signature)
	# a callback of libmicrohttpd is as long as it wants it
	if (n > PARAMETERS && signature !~ /struct MHD_/)
		bad(n " parameters")
}
code ~ /^\}/ {
	if (in_function && FNR - in_function - 1 > LINES_PER_FUNCTION)
		bad("a function of " FNR - in_function - 1 " lines")
	in_function = 0
	signature = ""
	next
}
!in_function && code !~ /^#/ { signature = signature " " code }

END {
	end_of_file(last_name, last_line)
	for (f in source)
		if (!(f in built)) {
			print f ":1: not in Makefile.am"
			found++
		}
	for (f in folder)
		if (!(f in told)) {
			print "src/README.md:1: says nothing of `" f "/`"
			found++
		}
	for (f in told)
		if (!(f in folder)) {
			print "src/README.md:" told[f] ": no src/" f "/"
			found++
		}
	if (found) {
		print found " findings"
		exit 1
	}
}
