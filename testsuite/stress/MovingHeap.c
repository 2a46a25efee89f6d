/* MovingHeap.c -- a collector that moves everything, every millisecond, under tasks and green
 * threads that do IO.
 *
 * The collector is the toy VM's.  Each task keeps what it knows in objects on that heap and
 * nowhere else, and is connected to a green thread that keeps a copy of it in its frame: the thread
 * sends a number, the task answers with the sum of the last ones.  Every object bears a serial
 * number and a check sum, and is looked at in each step; whoever is moved from leaves a
 * field of 0xdb behind.  Some steps collect by themselves, an OS thread does so all the time;
 * before that it looks for a word that every green thread holds in its frame or its
 * registers, in the range that is shown of that thread.
 *
 * sources: docs/examples/vm/Heap.c
 * not-under: qemu
 */
#include "docs/examples/vm/Heap.h"
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Runtime.h"

#include <pthread.h>

enum { PAIRS_MOST = 5000, OTHER_FDS = 200, FDS_OF_A_PAIR = 2, CAPABILITIES = 2 };
enum {
    HEAP_BYTES = 256 * 1024 * 1024,
    EVERY_NS = 1000 * 1000,
    MESSAGES = 4,
    LATER_US = 300,
    COLLECTS = 500
};
enum { KEPT = 5, TEXT_MOST = 40, WORD_MARK = 0x5ec2e7 };

typedef struct Pair {
    int ends[2];          /* the task's, the thread's */
    const Thread *thread; /* constant while the collector runs */
    uint32_t holds;       /* relaxed: the thread has its word where it is to be found */
    uint64_t found;       /* the collector: in which collection it was */
} Pair;

static Pair pairs[PAIRS_MOST];
static uint32_t pair_count;
static uint32_t stopping, silent; /* relaxed: the threads are to end; the collector is */
static uint64_t answers;          /* relaxed adds */

/* ---- objects: an actor knows its last node; a node the one before it, and some bytes --------- */

enum { ACTOR_PAIR, ACTOR_NODE, ACTOR_BYTES, ACTOR_SERIAL, ACTOR_OWES, ACTOR_VALUES };
enum { NODE_BEFORE, NODE_BYTES, NODE_SERIAL, NODE_NUMBER, NODE_CHECK, NODE_VALUES };

static Value *actorOf(const Value *root)
{
    Object *actor = (Object *)*root;
    CHECK_EQ(actor->values, ACTOR_VALUES);
    CHECK_EQ(actor->bytes, 0);
    return actor->at;
}

static Value checkSum(const Value *actor, Value serial, Value number)
{
    Value sum = (actor[ACTOR_PAIR] * 31 + serial) * 31 + number;
    return (sum ^ sum >> 29) | 1;
}

static void checkBytes(Object *bytes, int64_t serial)
{
    CHECK_EQ(bytes->values, 0);
    CHECK_EQ(bytes->bytes, serial % TEXT_MOST);
    for (uint32_t i = 0; i < bytes->bytes; i++)
        CHECK_EQ(objectBytes(bytes)[i], (char)(serial + i));
}

/* Every node in turn, from the youngest; only KEPT of them are kept.  The sum of their numbers. */
static uint64_t checkNodes(Value *actor)
{
    int64_t serial = valueNumber(actor[ACTOR_SERIAL]);
    uint64_t sum = 0;
    Value *link = &actor[ACTOR_NODE];
    for (int i = 0; i < KEPT && *link != 0; i++, serial--) {
        Object *node = (Object *)*link;
        CHECK_EQ(node->values, NODE_VALUES);
        CHECK_EQ(node->bytes, 0);
        Value *values = node->at;
        CHECK_EQ(valueNumber(values[NODE_SERIAL]), serial);
        CHECK_EQ(values[NODE_CHECK], checkSum(actor, values[NODE_SERIAL], values[NODE_NUMBER]));
        checkBytes((Object *)values[NODE_BYTES], serial);
        sum += (uint64_t)valueNumber(values[NODE_NUMBER]);
        link = &values[NODE_BEFORE];
    }
    *link = 0;
    return sum;
}

/* The bytes first; the actor leads to them while the node is made, and both may move. */
static void addNode(Value *root, int64_t number)
{
    int64_t serial = valueNumber(actorOf(root)[ACTOR_SERIAL]) + 1;
    uint32_t size = (uint32_t)(serial % TEXT_MOST);
    Object *bytes = heapNew(0, size);
    CHECK(bytes != NULL);
    for (uint32_t i = 0; i < size; i++)
        objectBytes(bytes)[i] = (char)(serial + i);
    actorOf(root)[ACTOR_BYTES] = (Value)bytes;
    Object *node = heapNew(NODE_VALUES, 0);
    CHECK(node != NULL);
    Value *actor = actorOf(root), *values = node->at; /* where they are now */
    values[NODE_BEFORE] = actor[ACTOR_NODE];
    values[NODE_BYTES] = actor[ACTOR_BYTES];
    values[NODE_SERIAL] = valueOfNumber(serial);
    values[NODE_NUMBER] = valueOfNumber(number);
    values[NODE_CHECK] = checkSum(actor, values[NODE_SERIAL], values[NODE_NUMBER]);
    actor[ACTOR_SERIAL] = values[NODE_SERIAL];
    actor[ACTOR_NODE] = (Value)node;
}

/* A task begins with the number of its pair. */
static void makeActor(Value *root)
{
    Object *actor = heapNew(ACTOR_VALUES, 0);
    CHECK(actor != NULL);
    actor->at[ACTOR_PAIR] = *root;
    actor->at[ACTOR_SERIAL] = valueOfNumber(0);
    *root = (Value)actor;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void answer(Value *root, int fd)
{
    uint64_t sum = checkNodes(actorOf(root));
    actorOf(root)[ACTOR_OWES] = 0;
    CHECK_EQ(fdWrite(fd, &sum, sizeof sum), sizeof sum);
    ADD_RELAXED(&answers, 1);
}

/* Some answers are late, for some others go first. */
static TaskVerdict serveOnce(TaskContext *context, Value *root, int fd)
{
    int64_t number;
    ssize_t n = fdRead(fd, &number, sizeof number);
    if (n == -EAGAIN) {
        CHECK_EQ(taskWaitRead(context, fd), 0);
        return TaskBlocked;
    }
    if (n == 0) {
        CHECK_EQ(closeFd(fd), 0);
        return TaskDone;
    }
    CHECK_EQ(n, sizeof number);
    if (number % COLLECTS == 0)
        CHECK_EQ(heapCollect(), 0);
    addNode(root, number);
    actorOf(root)[ACTOR_OWES] = valueOfNumber(1);
    if (number % 8 == 0) {
        CHECK_EQ(taskWaitDelay(context, LATER_US), 0);
        return TaskBlocked;
    }
    if (number % 8 != 1)
        answer(root, fd);
    return TaskYield;
}

static TaskVerdict step(TaskContext *context, void *env)
{
    Value *root = capabilityUser((uint32_t)threadCapability());
    TaskVerdict verdict = TaskYield;
    CHECK_EQ(taskStatus(context), 0);
    *root = (Value)env;
    if (valueIsNumber(*root))
        makeActor(root);
    else
        CHECK_EQ(taskUser(context), env); /* both words were moved */
    int fd = pairs[valueNumber(actorOf(root)[ACTOR_PAIR])].ends[0];
    checkNodes(actorOf(root));
    for (int i = 0; i < MESSAGES && verdict == TaskYield; i++) {
        if (actorOf(root)[ACTOR_OWES] != 0)
            answer(root, fd);
        verdict = serveOnce(context, root, fd);
    }
    taskSetStep(context, step, (void *)*root);
    taskSetUser(context, (void *)*root);
    *root = 0;
    return verdict;
}

static void startRoot(uint32_t capability, void *env)
{
    (void)env;
    CHECK_EQ(capabilitySetUser(&heap_roots[capability]), 0);
}

/* ---- green threads --------------------------------------------------------------------------- */

static int64_t ask(int fd, int64_t number)
{
    int64_t sum = 0;
    CHECK_EQ(fdWrite(fd, &number, sizeof number), sizeof number);
    CHECK_EQ(fdRead(fd, &sum, sizeof sum), sizeof sum);
    return sum;
}

static void *talk(void *env)
{
    Pair *pair = env;
    uint64_t random = crowdSeed((uint64_t)(pair - pairs));
    int64_t sent[KEPT] = {0};
    uintptr_t word = (uintptr_t)WORD_MARK << 32 | (uintptr_t)(pair - pairs);
    __asm__ volatile("" : "+r"(word)); /* nobody can know what it is ... */
    RELAXED_STORE(&pair->holds, 1);
    for (uint32_t round = 0; RELAXED_LOAD(&stopping) == 0; round++) {
        int64_t sum = 0;
        sent[round % KEPT] = (int64_t)crowdDraw(&random, 1000 * 1000);
        for (int i = 0; i < KEPT; i++)
            sum += sent[i];
        CHECK_EQ(ask(pair->ends[1], sent[round % KEPT]), sum);
    }
    RELAXED_STORE(&pair->holds, 0);
    __asm__ volatile("" : "+r"(word)); /* ... and so it is kept up to here */
    CHECK_EQ(word & UINT32_MAX, pair - pairs);
    CHECK_EQ(closeFd(pair->ends[1]), 0);
    return NULL;
}

/* ---- the collector --------------------------------------------------------------------------- */

__attribute__((no_sanitize("address"), no_sanitize("thread"))) static void findWord(
    const PausedThread *paused, void *env)
{
    const uint64_t *collection = env;
    if (!paused->is_stack)
        return;
    for (const uintptr_t *at = paused->low; at < (const uintptr_t *)paused->high; at++) {
        uint32_t pair = (uint32_t)(*at & UINT32_MAX);
        if (*at >> 32 == WORD_MARK && pair < pair_count && pairs[pair].thread == paused->thread)
            pairs[pair].found = *collection;
    }
}

static void *collectOften(void *env)
{
    uint64_t *collection = env;
    while (RELAXED_LOAD(&silent) == 0) {
        crowdPause(EVERY_NS);
        CHECK_EQ(rtsPause(rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS), 0);
        ++*collection;
        CHECK_GE(rtsPausedThreads(findWord, collection), 0);
        for (uint32_t i = 0; i < pair_count; i++) {
            if (RELAXED_LOAD(&pairs[i].holds) != 0)
                CHECK_EQ(pairs[i].found, *collection);
        }
        CHECK_EQ(heapCollect(), 0);
        CHECK_EQ(rtsResume(), 0);
    }
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* As many pairs as there may be descriptors for. */
static uint32_t pairsThatFit(void)
{
    uint32_t count = UNDER_TSAN ? PAIRS_MOST / 20 : PAIRS_MOST;
    struct rlimit limit;
    crowdMayOpen(count * FDS_OF_A_PAIR + OTHER_FDS);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_GT(limit.rlim_cur, OTHER_FDS);
    rlim_t most = (limit.rlim_cur - OTHER_FDS) / FDS_OF_A_PAIR;
    return most < count ? (uint32_t)most : count;
}

static void startPair(Crowd *crowd, uint32_t which)
{
    Pair *pair = &pairs[which];
    void *number = (void *)valueOfNumber(which);
    crowdPair(pair->ends, true);
    CHECK_EQ(taskNew(&crowd->threads[crowd->count++], NULL, step, number), 0);
    pair->thread = crowdFork(crowd, talk, pair, "talks");
}

/* Goal: nothing is lost, doubled or left behind, whoever moves it whenever. */
TEST(MovingHeap, nothingIsCorrupted)
{
    RtsConfig config = {.capabilities = CAPABILITIES,
                        .backend = testArg("--backend"),
                        .hooks = {.start = startRoot}};
    uint64_t collections = 0;
    pthread_t collector;
    pair_count = pairsThatFit();
    Crowd crowd = {.threads = calloc(pair_count * 2 + 1, sizeof(Thread *)), .room = pair_count * 2};
    CHECK(crowd.threads != NULL);
    CHECK_EQ(heapOpen(HEAP_BYTES, false), 0);
    CHECK_EQ(rtsInit(&config), 0);
    for (uint32_t i = 0; i < pair_count; i++)
        startPair(&crowd, i);
    CHECK_EQ(pthread_create(&collector, NULL, collectOften, &collections), 0);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    while (rtsNow() < end_ns)
        crowdPause(10 * EVERY_NS);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    RELAXED_STORE(&silent, 1);
    pthread_join(collector, NULL);
    crowdStop(&crowd);
    CHECK(collections != 0 && heap_collections >= collections && heap_moved != 0);
    printf("%u tasks and %u threads, %u descriptors; %llu collections (%llu by steps) moved %llu "
           "objects; %llu answers\n",
           pair_count, pair_count, pair_count * FDS_OF_A_PAIR, (unsigned long long)heap_collections,
           (unsigned long long)(heap_collections - collections), (unsigned long long)heap_moved,
           (unsigned long long)answers);
}
