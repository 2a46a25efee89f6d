/* AddressTest.c -- Address.c of rts/: names to addresses; no name server is asked. */
#include "rts/Foreign.h"

#include "testsuite/support/Runtime.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

static void *lookUp(void *env)
{
    struct addrinfo hints = {.ai_family = AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    (void)env;
    CHECK_EQ(addressLookup("127.0.0.1", "8080", &hints, &addresses), 0);
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)addresses->ai_addr;
    CHECK_EQ(addresses->ai_family, AF_INET);
    CHECK_EQ(ntohs(address->sin_port), 8080);
    CHECK_EQ(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
    freeaddrinfo(addresses);
    CHECK_EQ(addressLookup("127.0.0.1", NULL, NULL, &addresses), 0);
    freeaddrinfo(addresses);
    hints.ai_flags |= AI_PASSIVE;
    CHECK_EQ(addressLookup(NULL, "80", &hints, &addresses), 0);
    freeaddrinfo(addresses);
    return NULL;
}

TEST(Address, findsNumbers)
{
    greenRun(2, lookUp, NULL);
    greenStart(1);
    lookUp(NULL); /* on a plain OS thread */
    greenStop();
}

static void *lookUpBad(void *env)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *addresses = NULL;
    char endless[2000];
    (void)env;
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    CHECK_EQ(addressLookup("no-number", NULL, &hints, &addresses), -ENOENT);
    CHECK_EQ(addressLookup(endless, NULL, NULL, &addresses), -ENAMETOOLONG);
    CHECK_EQ(addressLookup(NULL, endless, NULL, &addresses), -ENAMETOOLONG);
    CHECK_EQ(addressLookup(NULL, NULL, NULL, &addresses), -EINVAL);
    CHECK_EQ(addressLookup("127.0.0.1", NULL, NULL, NULL), -EINVAL);
    hints = (struct addrinfo){.ai_family = 12345};
    CHECK_EQ(addressLookup("127.0.0.1", NULL, &hints, &addresses), -EINVAL);
    hints = (struct addrinfo){.ai_socktype = SOCK_STREAM};
    CHECK_EQ(addressLookup("127.0.0.1", "no-such-service", &hints, &addresses), -EINVAL);
    CHECK_EQ(addresses, NULL);
    return NULL;
}

TEST(Address, saysWhyNot)
{
    struct addrinfo *addresses;
    CHECK_EQ(addressLookup("127.0.0.1", NULL, NULL, &addresses), -ENXIO);
    greenRun(2, lookUpBad, NULL);
}

static uint32_t gate, entered;

static void waitAtGate(void *env)
{
    (void)env;
    ADD_SEQ_CST(&entered, 1);
    while (ACQUIRE_LOAD(&gate) == 0)
        sched_yield();
}

static void *occupyPool(void *env)
{
    CHECK_EQ(foreignRun(waitAtGate, env), 0);
    return NULL;
}

static void *giveUp(void *env)
{
    struct addrinfo *addresses = NULL;
    Thread *other = greenFork(occupyPool, env);
    while (SEQ_CST_LOAD(&entered) == 0)
        threadYield();
    CHECK_EQ(addressLookupUntil("127.0.0.1", NULL, NULL, &addresses, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(addresses, NULL);
    RELEASE_STORE(&gate, 1);
    greenJoin(other);
    CHECK_EQ(addressLookupUntil("127.0.0.1", NULL, NULL, &addresses, rtsNow() + 60000 * MS_NS), 0);
    freeaddrinfo(addresses);
    return NULL;
}

TEST(Address, isGivenUp)
{
    CountingHeap heap = {0};
    RtsConfig config = {
        .capabilities = 2, .blocking_threads = 1, .allocator = countingAllocator(&heap)};
    gate = entered = 0;
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(giveUp, NULL));
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}
