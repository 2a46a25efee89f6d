/* Room.c -- who is there, and what is said to all of them.
 *
 * The room is the value of an MVar: who has taken it out may change it, all others wait.
 * Each member has a Chan of lines, which a thread of its own writes to its connection: whoever
 * speaks waits for nobody's network.  Its QSem has a unit for each line that may still wait there.
 * Who is to go is killed: the thread that reads for him, which then kills the one that writes.
 * Killing waits until it is done, so it is never done with the room in one's hands.  Of two who
 * kill each other only one does it: the other one is over, and what it could not do is left to the
 * next line.
 */
#include "Room.h"

#include <capri/capri.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRACE_MS = 1000, /* for the last lines, when the room is closed */
    SLOW_MOST = 8    /* members that are sent away for one line; the next line finds the others */
};

typedef struct Member Member;
struct Member { /* on the stack of the thread that serves it */
    Member *next;
    int connection;
    Thread *reader;       /* a handle: until it has left the room */
    bool told;            /* somebody is about to kill it, or has */
    bool ended;           /* likewise, by killAll */
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

/* It is there soon: nobody is killed while he waits for it. */
static Room *takeRoom(void)
{
    void *value;
    MaskingState before = threadMaskUninterruptible();
    int failed = mvarTake(room, &value);
    threadRestore(before);
    return failed == 0 ? value : NULL; /* NULL: the runtime is being cancelled */
}

/* False: it does not read what it is sent. */
static bool tellOne(const Member *member, const char *text)
{
    if (qsemTryWait(member->left) != 0)
        return false;
    char *line = malloc(LINE_MOST + 1);
    if (line != NULL)
        snprintf(line, LINE_MOST + 1, "%.*s\n", LINE_MOST - 1, text);
    if (line == NULL || chanWrite(member->lines, line) != 0)
        free(line);
    return true;
}

/* How many are too slow, and handles of them. */
static int tellAll(const char *text, Thread *slow[SLOW_MOST])
{
    int count = 0;
    Room *here = takeRoom();
    if (here == NULL)
        return 0;
    for (Member *member = here->first; member != NULL; member = member->next) {
        bool reads = member->name[0] == '\0' || tellOne(member, text);
        if (reads || member->told || member->reader == threadSelf() || count == SLOW_MOST)
            continue;
        member->told = true;
        slow[count++] = threadRetain(member->reader);
    }
    mvarPut(room, here);
    return count;
}

/* It was not killed: whoever speaks next may. */
static void forgive(const Thread *reader)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    for (Member *member = here->first; member != NULL; member = member->next) {
        if (member->reader == reader)
            member->told = false;
    }
    mvarPut(room, here);
}

bool roomTell(const char *text)
{
    Thread *slow[SLOW_MOST];
    bool interrupted = false;
    for (int count = tellAll(text, slow); count > 0;) {
        Thread *reader = slow[--count];
        interrupted = interrupted || threadKill(reader) != 0;
        if (interrupted)
            forgive(reader);
        threadRelease(reader);
    }
    return !interrupted;
}

static void *deliver(void *env)
{
    Member *member = env;
    void *line;
    ssize_t written = 0; /* if it fails the reader notices, unless this was killed */
    while (written != -ECANCELED && chanRead(member->lines, &line) == 0 && line != NULL) {
        written = fdWriteAll(member->connection, line, strlen(line));
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
        member->reader = threadRetain(threadSelf());
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
    threadRelease(member->reader);
    waitGroupDone(served);
}

static bool tellOf(const Member *member, const char *format, const char *text)
{
    char line[LINE_MOST + NAME_MOST + 16];
    snprintf(line, sizeof line, format, member->name, text);
    return roomTell(line);
}

static void converse(Member *member)
{
    LineReader reader = {.connection = member->connection};
    char line[LINE_MOST];
    if (!lineRead(&reader, line) || line[0] == '\0')
        return;
    name(member, line);
    bool goes_on = tellOf(member, "* %s is here%s", "");
    while (goes_on && threadAllowInterrupt() == 0 && lineRead(&reader, line))
        goes_on = tellOf(member, "%s: %s", line);
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
    bool killed = threadCaught(NULL, NULL) != 0;
    do {
        if (killed)
            threadKill(writer);
        killed = threadJoin(writer, NULL) == -ECANCELED && threadCaught(NULL, NULL) != 0;
    } while (killed);
    threadRelease(writer);
}

void roomServe(int connection)
{
    Member member = {.connection = connection, .lines = chanNew(), .left = qsemNew(QUEUE_MOST)};
    threadMask(); /* killed only where it waits, and between two lines: it may never have to wait */
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

/* Nobody may come in, and nobody is listened to any more. */
static void closeDoors(void)
{
    Room *here = takeRoom();
    if (here == NULL)
        return;
    here->closing = true;
    for (const Member *member = here->first; member != NULL; member = member->next)
        fdShutdown(member->connection, SHUT_RD);
    mvarPut(room, here);
}

/* Who was told may be one of those who were not killed. */
static void killAll(void)
{
    for (Room *here; (here = takeRoom()) != NULL;) {
        Member *member = here->first;
        while (member != NULL && member->ended)
            member = member->next;
        Thread *reader = member == NULL ? NULL : threadRetain(member->reader);
        if (member != NULL)
            member->ended = true;
        mvarPut(room, here);
        if (reader == NULL)
            return;
        threadKill(reader);
        threadRelease(reader);
    }
}

void roomEnd(void)
{
    roomTell("* the room is closing");
    closeDoors(); /* what is waiting for them is still written */
    if (waitGroupWaitUntil(served, rtsNow() + INT64_C(1000000) * GRACE_MS) != 0) {
        killAll();
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
