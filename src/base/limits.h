/*
 * Bounds on everything that somebody else can make grow. Each is a hard maximum of the program; the
 * administrator's policy may set lower ones.
 */
#ifndef DAYFLY_BASE_LIMITS_H
#define DAYFLY_BASE_LIMITS_H

/* One request line, with its newline. */
#define LIMIT_REQUEST_BYTES (2u << 20)
/* Nesting of a request's JSON. */
#define LIMIT_REQUEST_DEPTH 16
/* Raw bytes after one "input" request. */
#define LIMIT_INPUT_BYTES (1u << 20)
/* A request that has begun must be complete within this time. */
#define LIMIT_REQUEST_SECONDS 10
/* Descriptors that may come with one request. */
#define LIMIT_REQUEST_FDS 16

#define LIMIT_ARGV_COUNT 65536
#define LIMIT_ENV_COUNT	 4096
/* argv and env together, with their NULs. */
#define LIMIT_EXEC_BYTES (1536u << 10)
/* One string of argv or env: the kernel's MAX_ARG_STRLEN. */
#define LIMIT_ARG_BYTES	  (128u << 10)
#define LIMIT_PATH_BYTES  4096
#define LIMIT_NAME_BYTES  64
#define LIMIT_TAG_BYTES	  128 /* the client's "id" */
#define LIMIT_MOUNTS	  12
#define LIMIT_ROOTS	  32 /* directories in which images or workspaces may lie */
#define LIMIT_LABELS	  16
#define LIMIT_LABEL_BYTES 256 /* of a label's value */
#define LIMIT_PLAN_BYTES  (3u << 20)

/* Files that a request brings along: their number, the bytes of one, of all together. */
#define LIMIT_FILES	  64
#define LIMIT_FILE_BYTES  (1u << 20)
#define LIMIT_FILES_BYTES (1536u << 10)
/* Its secrets, likewise. */
#define LIMIT_SECRETS	    16
#define LIMIT_SECRET_BYTES  (64u << 10)
#define LIMIT_SECRETS_BYTES (256u << 10)
/* Paths of a workspace that the task is not to see, and all their bytes. */
#define LIMIT_HIDDEN	   32768
#define LIMIT_HIDDEN_BYTES (1u << 20)

/* Tars that are unpacked into a jail: each comes as a descriptor, beside those of mounts and the
 * workspace. */
#define LIMIT_TARS 3

/* Addresses that are told of a task, and the bytes of one. */
#define LIMIT_WEBHOOKS		       4
#define LIMIT_URL_BYTES		       2048
#define LIMIT_UPLOAD_PREFIX_BYTES      512
#define LIMIT_UPLOAD_CREDENTIALS_BYTES 4096

/* A branch, tag or commit of a repository. */
#define LIMIT_REF_BYTES 255

/* Of the list of what a task changed: entries, and the bytes of their record. */
#define LIMIT_CHANGES_LISTED	 100
#define LIMIT_CHANGES_LIST_BYTES (8u << 10)

/* Taking changes out of a dead jail may take so long at most; so may taking artifacts. */
#define LIMIT_CHANGES_MS (600 * 1000)

/* Patterns of artifacts in a request, and the bytes of one. */
#define LIMIT_ARTIFACT_GLOBS	  32
#define LIMIT_ARTIFACT_GLOB_BYTES 1024
/* Artifacts of a task, and the bytes of their list, in which each has its place. */
#define LIMIT_ARTIFACTS		  1000
#define LIMIT_ARTIFACT_LIST_BYTES (128u << 10)

/* Connections to the daemon that an administrator may allow; its descriptors may allow fewer. */
#define LIMIT_CONNECTIONS 65536
/* Requests of one connection that wait for an answer. */
#define LIMIT_CONNECTION_REQUESTS 1024
/* A user's requests that follow tasks which another request has started. */
#define LIMIT_FOLLOWERS_UID 4096
/* Subscriptions to events of one connection, of one uid, and in total: each change of a task's
 * state looks at all of them. */
#define LIMIT_CONNECTION_SUBSCRIPTIONS 4
#define LIMIT_SUBSCRIPTIONS_UID	       128
#define LIMIT_SUBSCRIPTIONS	       1024

#endif
