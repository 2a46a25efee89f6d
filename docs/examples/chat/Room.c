/* Room.c -- who is there, and what is said to all of them.
 *
 * The room is the value of an MVar: who has taken it out may change it, all others wait.
 * Each member has a Chan of lines, which its own thread writes to its connection: whoever speaks
 * waits for nobody's network.  Its QSem has a unit for each line that may still wait there.
 */
#include "Room.h"

#include <capri/capri.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 1000 }; /* for the last lines, when the room is closed */

typedef struct Member Member;
struct Member { /* on the stack of the thread that serves it */
    Member *next;
    int connection;
    char name[NAME_MOST]; /* empty: not told yet */
    Chan *lines;          /* malloc'ed; NULL: it is over */
    QSem *left;
};

typedef struct Room {
    Member *first;
    bool closing; /* nobody may come in */
} Room;

static MVar *room;        /* of a Room */
static WaitGroup *served; /* members */

int roomOpen(void)
{
    static Room only;
    only = (Room){NULL, false};
    room = mvarNew(&only);
    served = waitGroupNew();
    return room != NULL && served != NULL ? 0 : -ENOMEM;
}

void roomClose(void)
{
    mvarFree(room);
    waitGroupFree(served);
}

static Room *takeRoom(void)
{
    void *value;
    return mvarTake(room, &value) == 0 ? value : NULL; /* NULL: the runtime is being cancelled */
}

/* The thread's two waits, for the network and for a line, both end by this; the fd stays open until
 * nobody uses its number any more. */
static void endMember(const Member *member)
{
    fdShutdown(member->connection, SHUT_RDWR);
}

static void tellOne(const Member *member, const char *text)
{
    char *line = malloc(LINE_MOST + 1);
    if (line == NULL || qsemTryWait(member->left) != 0) {
        free(line);
        endMember(member); /* it does not read what it is sent */
        return;
    }
    snprintf(line, LINE_MOST + 1, "%.*s\n", LINE_MOST - 1, text);
    if (chanWrite(member->lines, line) != 0)
        free(line);
}

void roomTell(const char *text)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    for (const Member *member = here->first; member != NULL; member = member->next) {
        if (member->name[0] != '\0')
            tellOne(member, text);
    }
    mvarPut(room, here);
}

static void *deliver(void *env)
{
    Member *member = env;
    void *line;
    while (chanRead(member->lines, &line) == 0 && line != NULL) {
        fdWriteAll(member->connection, line, strlen(line)); /* if it fails the reader notices */
        free(line);
        qsemSignal(member->left);
    }
    return NULL;
}

static bool join(Member *member)
{
    Room *here = takeRoom();
    if (here == NULL)
        return false;
    bool may = !here->closing;
    if (may) {
        member->next = here->first;
        here->first = member;
        waitGroupAdd(served, 1);
    }
    mvarPut(room, here);
    return may;
}

static void name(Member *member, const char *text)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    snprintf(member->name, sizeof member->name, "%.*s", NAME_MOST - 1, text);
    mvarPut(room, here);
}

static void leave(const Member *member)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    Member **at = &here->first;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    mvarPut(room, here);
    waitGroupDone(served);
}

static void tellOf(const Member *member, const char *format, const char *text)
{
    char line[LINE_MOST + NAME_MOST + 16];
    snprintf(line, sizeof line, format, member->name, text);
    roomTell(line);
}

static void converse(Member *member)
{
    LineReader reader = {.connection = member->connection};
    char line[LINE_MOST];
    if (!lineRead(&reader, line) || line[0] == '\0')
        return;
    name(member, line);
    tellOf(member, "* %s is here%s", "");
    while (lineRead(&reader, line))
        tellOf(member, "%s: %s", line);
    tellOf(member, "* %s has left%s", "");
}

/* Reads here; writes on a thread of its own, which ends when all is written. */
static void serveMember(Member *member)
{
    Thread *writer;
    if (threadFork(&writer, deliver, member) != 0)
        return;
    converse(member);
    chanWrite(member->lines, NULL);
    threadJoin(writer, NULL);
    threadRelease(writer);
}

void roomServe(int connection)
{
    Member member = {.connection = connection, .lines = chanNew(), .left = qsemNew(QUEUE_MOST)};
    if (member.lines != NULL && member.left != NULL && join(&member)) {
        serveMember(&member);
        leave(&member);
        for (void *line; chanTryRead(member.lines, &line) == 0;)
            free(line);
    }
    chanFree(member.lines);
    qsemFree(member.left);
    closeFd(connection);
}

/* Everybody's reading, or all of it, is over. */
static void endAll(bool at_once)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    here->closing = true;
    for (const Member *member = here->first; member != NULL; member = member->next) {
        if (at_once)
            endMember(member);
        else
            fdShutdown(member->connection, SHUT_RD);
    }
    mvarPut(room, here);
}

void roomEnd(void)
{
    roomTell("* the room is closing");
    endAll(false); /* what is waiting for them is still written */
    if (waitGroupWaitUntil(served, rtsNow() + INT64_C(1000000) * GRACE_MS) != 0) {
        endAll(true);
        waitGroupWait(served);
    }
}

bool lineRead(LineReader *reader, char line[LINE_MOST])
{
    for (int size = 0; size < LINE_MOST;) {
        if (reader->next == reader->count) {
            ssize_t n = fdRead(reader->connection, reader->buffer, sizeof reader->buffer);
            if (n <= 0)
                return false;
            reader->next = 0;
            reader->count = (int)n;
        }
        char byte = reader->buffer[reader->next++];
        line[size] = byte == '\n' ? '\0' : byte;
        if (byte == '\n')
            return true;
        size += byte != '\r';
    }
    return false;
}
