/* Room.h -- who is there, and what is said to all of them. */
#ifndef CHAT_ROOM_H
#define CHAT_ROOM_H

#include <stdbool.h>

enum {
    LINE_MOST = 512,  /* bytes of a line, and its end */
    NAME_MOST = 32,   /* of a name */
    QUEUE_MOST = 4096 /* lines that wait for a slow client before he is sent away */
};

/* roomOpen -- 0, or -ENOMEM.   roomClose -- nobody is there any more. */
int roomOpen(void);
void roomClose(void);

/* roomServe -- a connection from its first line, the name, to its end, on the calling thread; a
 * thread of its own writes to it.  Closes the connection. */
void roomServe(int connection);

/* roomTell -- a line to everybody: the text, cut to LINE_MOST.  Who is too slow is sent away.
 * False: the caller was interrupted, and is to end. */
bool roomTell(const char *text);

/* roomEnd -- no more connections are served: say so, end the ones that are, wait for their
 * threads. */
void roomEnd(void);

/* One line at a time from a connection. */
typedef struct LineReader {
    int connection;
    int count, next; /* bytes in the buffer; the first that is not taken */
    char buffer[LINE_MOST];
} LineReader;

/* lineRead -- the next line, without its end.  False: the connection is over, or sends a line that
 * is too long. */
bool lineRead(LineReader *reader, char line[LINE_MOST]);

#endif
