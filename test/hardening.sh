#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs that were built are as hard as configure.ac wants them: position
# independent, relocations read-only and bound at the start, no executable
# stack, no writable code, stack protector, checked libc calls. Of a build with
# sanitizers or for gcov nothing of this is asked.
skip() { echo "$*"; exit 77; }
command -v readelf >/dev/null 2>&1 || skip "no readelf here"
[ "$(uname -s)" = Linux ] || skip "not Linux"
case ${BUILD_CFLAGS:-} in
*-fsanitize=* | *--coverage*) skip "a build with sanitizers or for gcov" ;;
esac

bad=0
miss() { echo "$program: $*"; bad=1; }
for program in ${PROGRAMS:-raftmqd raftmq-admin raftmq-bench}; do
	[ -x "$program" ] || { miss "is not there"; continue; }
	elf=$(readelf -W -h -l -d -n "$program" 2>/dev/null) || exit 99
	names=$(readelf -W --dyn-syms "$program")
	has() { printf '%s\n' "$elf" | grep -Eq "$1"; }
	calls() { printf '%s\n' "$names" | grep -Eq "UND $1(@|$)"; }

	has '^ *Type: +DYN' && has 'INTERP' || miss "not PIE"
	has '^ *GNU_RELRO ' || miss "no RELRO"
	has '\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW|\(BIND_NOW\)' ||
		miss "relocations are not bound at the start"
	has '^ *GNU_STACK .* RW +0x' || miss "the stack may be executed"
	has '^ *LOAD .* RWE ' && miss "a segment is writable and executable"
	has '\(TEXTREL\)' && miss "text relocations"
	has '\((RPATH|RUNPATH)\)' && miss "searches libraries elsewhere"
	calls __stack_chk_fail || miss "no stack protector"
	# without optimization glibc has no checked calls
	case " ${BUILD_CFLAGS:-} ${CFLAGS:-} " in
	*' -O0 '*) ;;
	*-O*) calls '__[a-z]+_chk' || miss "no checked libc calls" ;;
	esac
done

# The mark for CET is lost at the link where libc's start files lack it, as in
# Debian: what is ours has it.
case "$(uname -m) ${BUILD_CFLAGS:-}" in x86_64*-fcf-protection*)
	for program in lib*.a; do
		marks=$(readelf -W -n "$program" 2>/dev/null) || exit 99
		objects=$(printf '%s\n' "$marks" | grep -c '^File: ')
		marked=$(printf '%s\n' "$marks" | grep -c 'IBT.*SHSTK')
		[ "$objects" -gt 0 ] && [ "$objects" = "$marked" ] ||
			miss "$marked of $objects objects are marked for CET"
	done
esac
[ $bad = 0 ] && echo "ok"
exit $bad
