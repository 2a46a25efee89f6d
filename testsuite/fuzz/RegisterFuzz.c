/* RegisterFuzz.c -- any sequence of registering, unregistering, closing, duplicating, reusing and
 * stepping, against a simple model of who must be called.
 *
 * The input is a program: each byte and what follows it is one deed.  The model is poll(2): a step
 * calls exactly those registrations whose fd poll says to be ready for what they asked for, with
 * exactly that, each once; a close calls all of that number with EventClose; nobody else is ever
 * called.  Callbacks may unregister, register and close; of such a step only the upper half is
 * checked (who is called is ready at that moment), because whom it spares depends on the order.
 * io_uring looks when it is told of an fd, maybe long before the step: what such a step tells held
 * at some moment since the last one; the next, with nothing in between, is exact.  The first byte
 * chooses the back-end and the kind of manager.
 *
 * Run: testsuite/support/fuzz.sh SECONDS.  A finding is a file; give it to the program to repeat.
 */
#include "iomgr/EventManager.h"
#include "iomgr/Registration.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PLACES = 12, ENTRIES = 256, FDS = 256 };

/* DEMAND(what) -- or stop, so that the fuzzer keeps the input. */
#define DEMAND(what) ((what) ? (void)0 : stop(__LINE__, #what))

static void stop(int line, const char *what)
{
    fprintf(stderr, "RegisterFuzz.c:%d: not so: %s\n", line, what);
    abort();
}

/* What a callback does when it is called. */
typedef enum Deed { Nothing, UnregisterSelf, UnregisterOther, CloseSelf, RegisterAnother } Deed;

typedef struct Entry {
    bool live;
    FdKey key;
    uint32_t events;
    Lifetime lifetime;
    Deed deed;
    uint32_t other;           /* for the deed: an entry */
    uint32_t calls, expected; /* in this step */
    uint32_t told, closes;
    bool running;
} Entry;

typedef struct Input {
    const uint8_t *at, *end;
} Input;

static EventManager *manager, shared;
static Entry entries[ENTRIES];
static uint32_t entry_count;
static int places[PLACES]; /* fds we hold, or -1 */
static bool deeds_done;    /* in this step */
static bool early;         /* in this step: what is told may be of before */
static uint32_t held[FDS]; /* early: what each number was ready for since the last step */

static uint8_t take(Input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* ---- the model ------------------------------------------------------------------------------- */

static uint32_t readiness(int fd, uint32_t asked)
{
    struct pollfd polled = {.fd = fd};
    uint32_t events = 0;
    if (asked & EventRead)
        polled.events |= POLLIN | POLLRDHUP;
    if (asked & EventWrite)
        polled.events |= POLLOUT;
    poll(&polled, 1, 0);
    DEMAND((polled.revents & POLLNVAL) == 0);
    if (polled.revents & (POLLIN | POLLRDHUP))
        events |= EventRead;
    if (polled.revents & POLLOUT)
        events |= EventWrite;
    if (polled.revents & (POLLHUP | POLLERR))
        events |= EventRead | EventWrite;
    return events & asked;
}

static void noteHeld(void)
{
    for (int i = 0; i < PLACES; i++) {
        if (places[i] >= 0)
            held[places[i]] |= readiness(places[i], EventRead | EventWrite);
    }
}

static uint32_t countLive(int fd)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < entry_count; i++)
        count += entries[i].live && (fd < 0 || entries[i].key.fd == fd);
    return count;
}

static void checkBooks(void)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < entry_count; i++)
        running += entries[i].running && !entries[i].live; /* freed when it returns */
    DEMAND(manager->registered == countLive(-1) + running);
    for (int fd = 0; fd < FDS; fd++) {
        FdSlot *slot = fdTableFind(&manager->table, fd);
        DEMAND(slot == NULL || (fdSlotSane(slot) && registrationSane(slot)));
    }
}

/* ---- deeds ----------------------------------------------------------------------------------- */

static int noteCall(EventManager *at, FdKey key, uint32_t events, void *env);

static void registerOne(int fd, uint8_t how, uint8_t other)
{
    if (entry_count == ENTRIES || fd < 0)
        return;
    Entry *entry = &entries[entry_count++];
    *entry = (Entry){.live = true,
                     .events = 1 + how % 3,
                     .lifetime = how & 4 ? MultiShot : OneShot,
                     .deed = (Deed)((how >> 3) % 5),
                     .other = other};
    int result =
        registerFd(manager, noteCall, entry, fd, entry->events, entry->lifetime, &entry->key);
    DEMAND(result == 0);
    DEMAND(entry->key.fd == fd && entry->calls == 0);
}

static void unregisterOne(Entry *entry)
{
    int expected = entry->live ? 1 : 0;
    entry->live = false;
    DEMAND(unregisterFd(manager, entry->key) == expected);
}

static void closeManaged(int fd)
{
    uint32_t before = 0, after = 0;
    for (uint32_t i = 0; i < entry_count; i++)
        before += entries[i].closes;
    uint32_t due = countLive(fd);
    uint32_t later = 0; /* those that are running hear of it when they return */
    for (uint32_t i = 0; i < entry_count; i++)
        later += entries[i].live && entries[i].key.fd == fd && entries[i].running;
    for (int i = 0; i < PLACES; i++) {
        if (places[i] == fd)
            places[i] = -1;
    }
    if (manager->exclusive) {
        DEMAND(eventManagerCloseFd(manager, fd) == 0);
    } else {
        eventManagerClosingFd(manager, fd, NULL);
        DEMAND(close(fd) == 0);
        eventManagerClosedFd(manager, fd, NULL);
    }
    for (uint32_t i = 0; i < entry_count; i++)
        after += entries[i].closes;
    DEMAND(after == before + due - later);
}

static void doDeed(Entry *entry)
{
    deeds_done |= entry->deed != Nothing;
    switch (entry->deed) {
    case Nothing:
        break;
    case UnregisterSelf:
        unregisterOne(entry);
        break;
    case UnregisterOther:
        unregisterOne(&entries[entry->other % entry_count]);
        break;
    case CloseSelf:
        closeManaged(entry->key.fd);
        break;
    case RegisterAnother:
        registerOne(places[entry->other % PLACES], (uint8_t)(entry->other >> 3), 0);
        break;
    }
}

static int noteCall(EventManager *at, FdKey key, uint32_t events, void *env)
{
    Entry *entry = env;
    DEMAND(at == manager && key.unique == entry->key.unique && key.fd == entry->key.fd);
    DEMAND(entry->live && !entry->running);
    if (events & EventClose) {
        DEMAND(events == (entry->events | EventClose));
        entry->closes++;
        entry->live = false;
        return 0;
    }
    entry->told = events & (EventRead | EventWrite);
    uint32_t ready =
        readiness(key.fd, entry->events); /* a close in this step may have added some */
    DEMAND(entry->told != 0 && (entry->told & ~(early ? held[key.fd] : ready)) == 0);
    DEMAND(early || deeds_done || entry->told == ready);
    entry->calls++;
    if (entry->lifetime == OneShot)
        entry->live = false;
    entry->running = true;
    doDeed(entry);
    entry->running = false; /* a close of its own number calls it when this has returned */
    return entry->other & 1 ? -EIO : 0;
}

static void stepOnce(void)
{
    uint32_t due = 0;
    for (uint32_t i = 0; i < entry_count; i++) {
        Entry *entry = &entries[i];
        entry->calls = 0;
        entry->expected = entry->live ? readiness(entry->key.fd, entry->events) : 0;
        due += entry->expected != 0;
    }
    int called =
        manager->exclusive ? eventManagerStep(manager, 0) : (int)eventManagerPoll(manager, 0, NULL);
    bool exact = !early && !deeds_done;
    DEMAND(!exact || (uint32_t)called == due);
    for (uint32_t i = 0; i < entry_count; i++) {
        Entry *entry = &entries[i];
        DEMAND(entry->calls <= 1 && entry->closes <= 1);
        DEMAND(!exact || entry->calls == (entry->expected != 0));
    }
}

static void step(void)
{
    deeds_done = false;
    early = strcmp(manager->backend->name, "uring") == 0;
    if (early)
        stepOnce();
    early = false;
    stepOnce();
    memset(held, 0, sizeof held);
}

/* ---- files ----------------------------------------------------------------------------------- */

static int *freePlace(void)
{
    for (int i = 0; i < PLACES; i++) {
        if (places[i] < 0)
            return &places[i];
    }
    return NULL;
}

static void openPair(uint8_t how)
{
    int ends[2], *first = freePlace(), *second;
    if (first == NULL)
        return;
    DEMAND((how & 1
                ? pipe2(ends, O_NONBLOCK | O_CLOEXEC)
                : socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends)) == 0);
    *first = ends[0];
    second = freePlace();
    if (second != NULL)
        *second = ends[1];
    else
        close(ends[1]);
}

static void duplicate(int fd)
{
    int *place = freePlace();
    if (fd >= 0 && place != NULL) {
        *place = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        DEMAND(*place >= 0);
    }
}

/* Nobody may be registered: then plain close(2) is allowed, too. */
static void closePlainly(int *place)
{
    if (*place >= 0 && countLive(*place) == 0) {
        close(*place);
        *place = -1;
    }
}

/* Another file gets the number without a close that we know of. */
static void replace(int *place, int by)
{
    if (*place >= 0 && by >= 0 && *place != by && countLive(*place) == 0)
        DEMAND(dup3(by, *place, O_CLOEXEC) == *place);
}

static void move(int fd, uint8_t how)
{
    char bytes[4096] = {0};
    if (fd < 0)
        return;
    switch (how % 4) {
    case 0:
        if (write(fd, "x", 1) < 0) /* EAGAIN, EPIPE, EBADF: as good */
            break;
        break;
    case 1:
        while (read(fd, bytes, sizeof bytes) > 0)
            continue;
        break;
    case 2:
        while (write(fd, bytes, sizeof bytes) > 0)
            continue;
        break;
    default:
        shutdown(fd, how & 4 ? SHUT_WR : SHUT_RDWR);
    }
}

static void doOne(Input *input)
{
    uint8_t what = take(input), which = take(input);
    int *place = &places[which % PLACES];
    switch (what % 10) {
    case 0:
    case 1:
        registerOne(*place, take(input), take(input));
        break;
    case 2:
        if (entry_count > 0)
            unregisterOne(&entries[which % entry_count]);
        break;
    case 3:
        if (*place >= 0)
            closeManaged(*place);
        break;
    case 4:
        closePlainly(place);
        break;
    case 5:
        duplicate(*place);
        break;
    case 6:
        replace(place, places[take(input) % PLACES]);
        break;
    case 7:
        openPair(which);
        break;
    case 8:
        move(*place, take(input));
        break;
    default:
        step();
    }
}

/* ---- one input ------------------------------------------------------------------------------- */

/* Where the kernel refuses rings, "uring" is its fall-back. */
static const char *const backends[] = {"epoll", "poll", "uring"};
enum { BACKENDS = sizeof backends / sizeof backends[0] };

static void openManager(uint8_t how)
{
    EventManagerConfig config = {.backend = backends[how / 2 % BACKENDS]};
    if (how & 1) {
        ownerGateStart();
        DEMAND(eventManagerOpen(&shared, backendByName(config.backend), NULL, NULL) == 0);
        manager = &shared;
    } else {
        DEMAND(eventManagerNew(&config, &manager) == 0);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < BACKENDS; i++) {
        EventManagerConfig config = {.backend = backends[i]};
        DEMAND(eventManagerNew(&config, &manager) == 0);
        printf("%s: %s\n", backends[i], manager->backend->name);
        DEMAND(eventManagerFree(manager) == 0);
    }
    fflush(stdout);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, data + size};
    entry_count = 0;
    memset(held, 0, sizeof held);
    for (int i = 0; i < PLACES; i++)
        places[i] = -1;
    openManager(take(&input));
    openPair(take(&input));
    while (input.at < input.end) {
        doOne(&input);
        noteHeld();
        checkBooks();
    }
    for (int i = 0; i < PLACES; i++) {
        if (places[i] >= 0)
            closeManaged(places[i]);
    }
    DEMAND(manager->registered == 0);
    if (manager->exclusive)
        DEMAND(eventManagerFree(manager) == 0);
    else
        eventManagerClose(&shared);
    return 0;
}
