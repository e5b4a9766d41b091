# SPDX-License-Identifier: Apache-2.0
#
# table: replaces the lines @CONFIG@ and @METRIC@ of a manual page by lists of
# what include/raftmq/tbl/{config,metric}.def hold, so that no page can miss a
# setting or a metric.
#
# usage: awk -f table.awk config.def metric.def PAGE.in

function text(s) { # for mdoc: no macro at the start, no stray escapes
	gsub(/\\/, "\\e", s)
	return s ~ /^[.']/ ? "\\&" s : s
}

# Splits the arguments of a macro; strings are joined, their quotes removed.
function arguments(s, out,    n, i, c, quoted, word) {
	n = 0
	for (i = index(s, "(") + 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (quoted && c == "\\") {
			word = word substr(s, ++i, 1)
		} else if (c == "\"") {
			quoted = !quoted
		} else if (quoted) {
			word = word c
		} else if (c == "," || c == ")") {
			out[++n] = word
			word = ""
			if (c == ")")
				break
		} else if (c !~ /[ \t]/) {
			word = word c
		}
	}
	return n
}

# Is the macro complete: are the parentheses outside of strings closed?
function is_whole(s) {
	gsub(/\\./, "", s)
	gsub(/"[^"]*"/, "", s)
	return s ~ /\)/ && s !~ /"/
}

function number(s) {
	if (s == "INT32_MAX" || s == "INT64_MAX")
		return ""
	return s
}

function setting(a,    type, range, from) {
	type = tolower(a[3])
	if (a[7] != "NULL" && a[7] != "") {
		gsub(/\|/, ", ", a[7])
		type = "one of " a[7]
	} else if (a[3] ~ /^(INT|LONG|DOUBLE)$/) {
		range = number(a[6])
		range = range == "" ? "from " a[5] : a[5] " to " range
		type = type ", " range
	}
	if (a[8] ~ /^(TOPIC|GROUP)$/ && a[9] != "NULL" && a[9] != a[2])
		from = "default: that of " a[9]
	else
		from = a[4] == "" ? "no default" : "default " a[4]
	return ".It Cm " a[2] "\n" text(a[10]) "\n.br\n" \
		text(type "; " from "; " scope[a[8]]) "\n"
}

function metric(a,    labels) {
	labels = a[4] == "" ? "" : "{" a[4] "}"
	gsub(/[ ,]+/, ", ", labels)
	return ".It Sy " a[3] labels " Pq " a[2] "\n" text(a[5]) "\n"
}

BEGIN {
	scope["STATIC"] = "read at start."
	scope["LIVE"] = "per broker, may change at run time."
	scope["TOPIC"] = "per topic."
	scope["BOTH"] = "per broker and per topic, may change at run time."
	scope["GROUP"] = "per group."
	scope["AGREED"] = "per topic, and one default for the cluster."
	scope["AGREED_DEFAULT"] = "one for the cluster."
}

FILENAME ~ /\.def$/ {
	if (/^\/\* ---- .* -+ \*\/$/) {
		gsub(/^\/\* -+ | -+ \*\/$/, "")
		head = toupper(substr($0, 1, 1)) substr($0, 2)
	}
	if (/^(CONFIG|METRIC)\(/)
		item = " "
	if (item == "")
		next
	item = item " " $0
	if (!is_whole(item))
		next
	split("", a)
	n = arguments(item, a)
	if (item ~ /^ *CONFIG/) {
		if (head != "")
			config = config (open ? ".El\n" : "") ".Ss " head \
				"\n.Bl -tag -width Ds\n"
		open = 1
		head = ""
		config = config setting(a)
	} else {
		metrics = metrics metric(a)
	}
	item = ""
	next
}

/^@CONFIG@$/ { printf "%s.El\n", config; next }
/^@METRIC@$/ { printf ".Bl -tag -width Ds\n%s.El\n", metrics; next }
{ print }
