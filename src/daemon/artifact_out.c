/* Artifacts as events: see artifact_out.h. */
#include "daemon/artifact_out.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "daemon/server.h"
#include "plan/artifact_list.h"
#include "proto/answer.h"
#include "task/output_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES OUTPUT_RECORD_MAX

struct artifact_out {
	struct connection *conn; /* NULL: nobody waits for it any more */
	const struct task *task;
	struct server *server;
	uid_t uid;
	int fd;
	uint64_t spool_bytes; /* of that file: see spool_release() */
	struct buf_reader list;
	struct artifact_item item; /* path NULL: none */
	uint64_t sent;		   /* of its content */
	uv_fs_t read;
	bool is_reading, has_piece;
	ssize_t piece; /* bytes, or -errno */
	char data[PIECE_BYTES];
};

struct artifact_out *artifact_out_create(struct connection *c, struct task *t)
{
	const struct buf *list = &t->result->artifacts_list;
	struct artifact_out *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->conn = c;
	o->task = t;
	o->server = c->server;
	o->uid = t->uid;
	o->fd = fd_take(&t->spool_fd);
	o->spool_bytes = t->spool_bytes;
	t->spool_bytes = 0;
	o->list =
		(struct buf_reader){ .p = (const uint8_t *)buf_data(list), .left = buf_len(list) };
	return o;
}

static void finish(struct artifact_out *o)
{
	free(o->item.path);
	fd_close(&o->fd);
	spool_release(o->server, o->uid, o->spool_bytes);
	free(o);
}

void artifact_out_destroy(struct artifact_out *o)
{
	if (!o)
		return;
	o->conn = NULL;
	if (!o->is_reading)
		finish(o);
}

static void on_read(uv_fs_t *req)
{
	struct artifact_out *o = req->data;
	o->is_reading = false;
	o->has_piece = true;
	o->piece = req->result;
	uv_fs_req_cleanup(req);
	if (o->conn)
		connection_kick(o->conn);
	else
		finish(o);
}

static int start_read(struct artifact_out *o)
{
	uint64_t left = o->item.bytes - o->sent;
	uv_buf_t buf = uv_buf_init(o->data, left < PIECE_BYTES ? (unsigned)left : PIECE_BYTES);
	o->read.data = o;
	int r = uv_fs_read(o->conn->server->loop, &o->read, o->fd, &buf, 1,
		(int64_t)(o->item.offset + o->sent), on_read);
	o->is_reading = r == 0;
	return r < 0 ? r : ARTIFACT_OUT_WAITS;
}

static int answer(struct artifact_out *o, const char *tag, const char *event, json_t *take_members)
{
	int r = -ENOMEM;
	if (take_members)
		r = answer_members(&o->conn->out, tag, event, o->task->id, take_members);
	json_decref(take_members);
	return r;
}

/* The next that was taken: what it is. */
static int begin_item(struct artifact_out *o, const char *tag)
{
	free(o->item.path);
	o->item.path = NULL;
	o->sent = 0;
	struct artifact_item next;
	while (artifact_list_get(&o->list, &next)) {
		if (next.error != ARTIFACT_OK) {
			free(next.path);
			continue;
		}
		o->item = next;
		int r = answer(o, tag, "artifact", result_artifact_to_json(&o->item));
		return r < 0 ? r : ARTIFACT_OUT_ADDED;
	}
	return ARTIFACT_OUT_END;
}

static json_t *piece_to_json(const struct artifact_out *o, size_t len, enum framing framing)
{
	if (framing == FRAMING_RAW)
		return json_pack(
			"{s:I, s:I}", "offset", (json_int_t)o->sent, "bytes", (json_int_t)len);
	size_t size = base64_encoded_size(len);
	auto_free char *text = malloc(size);
	if (!text)
		return NULL;
	base64_encode(o->data, len, text);
	return json_pack("{s:I, s:s%}", "offset", (json_int_t)o->sent, "base64", text, size);
}

static int send_piece(struct artifact_out *o, const char *tag, enum framing framing)
{
	o->has_piece = false;
	if (o->piece <= 0)
		return o->piece < 0 ? (int)o->piece : -EIO;
	size_t len = (size_t)o->piece;
	int r = answer(o, tag, "artifact_data", piece_to_json(o, len, framing));
	if (r == 0 && framing == FRAMING_RAW)
		r = buf_add(&o->conn->out, o->data, len);
	o->sent += len;
	return r < 0 ? r : ARTIFACT_OUT_ADDED;
}

int artifact_out_step(struct artifact_out *o, const char *tag, enum framing framing)
{
	if (o->is_reading)
		return ARTIFACT_OUT_WAITS;
	if (o->has_piece)
		return send_piece(o, tag, framing);
	if (o->item.path && o->sent < o->item.bytes)
		return start_read(o);
	return begin_item(o, tag);
}
