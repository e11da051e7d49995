/* How dayfly-unpack ends. */
#ifndef DAYFLY_UNPACK_STATUS_H
#define DAYFLY_UNPACK_STATUS_H

enum unpack_status {
	UNPACK_OK,
	UNPACK_REFUSED = 3, /* the archive is to blame */
	UNPACK_NO_ROOM,
	UNPACK_NOT_WRITTEN,
};

#endif
