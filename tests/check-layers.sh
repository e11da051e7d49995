#!/bin/sh
# Includes go downwards only: each layer may include what stands in its line below, and each library has its layers. A new folder
# in src/ needs a line here (and one in the Makefile).
set -u
awk '
BEGIN {
  allow["base"]   = "base"
  allow["proto"]  = "proto base"
  allow["plan"]   = "plan base"
  allow["unpack"] = "unpack"
  allow["jail"]   = "jail plan base"
  # How dayfly-unpack ends is for who starts it.
  allow_file["src/jail/unpack.c"] = "jail plan base unpack"
  allow["task"]   = "task plan proto base"
  allow["sched"]  = "sched task plan proto base"
  allow["http"]   = "http task plan proto base"
  allow["history"] = "history base"
  allow["git"]    = "git base"
  allow["daemon"] = "daemon git history http sched task plan proto base"
  allow["client"] = "client proto base dayfly"
  allow["cli"]    = "cli client proto base dayfly"
  # plan/build turns a request into a plan: the one place of plan/ that knows proto/, and not for the warden.
  allow_file["src/plan/build.c"] = allow_file["src/plan/build.h"] = "plan proto base"
  deny["jail"] = "plan/build.h"

  lib["uv.h"] = "task sched history http daemon"
  lib["sqlite3.h"] = "history"
  lib["jansson.h"] = "proto task sched daemon client cli"
  lib["seccomp.h"] = "jail"
  lib["archive.h"] = lib["archive_entry.h"] = "unpack"
  lib["ini.h"] = "daemon"
  lib["curl/curl.h"] = lib["nettle/hmac.h"] = "http"
  lib["nettle/sha2.h"] = "git daemon"
  lib["pthread.h"] = "task sched daemon client"
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function bad(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; failures++ }
FNR == 1 {
  files++
  split(FILENAME, part, "/")
  layer = part[2]
  if (!(layer in allow)) bad("the folder src/" layer " is in no layer")
}
/^[ \t]*#[ \t]*include/ {
  name = $0
  sub(/^[^<"]*[<"]/, "", name)
  sub(/[>"].*$/, "", name)
  if (name in lib && !has(lib[name], layer))
    bad(layer "/ must not use <" name ">")
  if ($0 !~ /"/) next
  from = name
  if (!sub(/\/.*/, "", from)) { bad("include \"" name "\" by its path from src/"); next }
  list = FILENAME in allow_file ? allow_file[FILENAME] : allow[layer]
  if (!has(list, from)) bad(layer "/ must not include " name)
  if (layer in deny && has(deny[layer], name)) bad(layer "/ must not include " name)
  if (name ~ /_priv\.h$/) {
    owner = name; sub(/_priv\.h$/, "", owner)
    self = FILENAME; sub(/^src\//, "", self)
    # client/client_priv.h belongs to its whole folder.
    if (owner == layer "/" layer) owner = layer "/"
    if (index(self, owner) != 1) bad(name " is private to " owner "*.c")
  }
}
END {
  printf "checked %d files\n", files
  printf "layers: %d passed, %d failed, 0 skipped\n", !failures, !!failures
  exit !!failures
}' src/*/*.[ch] src/*/*.def
