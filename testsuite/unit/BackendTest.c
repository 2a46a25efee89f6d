/* BackendTest.c -- names of back-ends. */
#include "testsuite/support/IoFixture.h"

TEST(Backend, byName)
{
    unsetenv("CAPRI_BACKEND");
    CHECK_EQ(backendByName("epoll"), &backendEPoll);
    CHECK_EQ(backendByName("poll"), &backendPoll);
    CHECK_EQ(backendByName(NULL), &backendEPoll);
    CHECK_EQ(backendByName("auto"), &backendEPoll);
    CHECK_EQ(backendByName("kqueue"), NULL);
    CHECK_EQ(backendByName("EPOLL"), NULL);
}

TEST(Backend, theEnvironmentChoosesForAuto)
{
    setenv("CAPRI_BACKEND", "poll", 1);
    CHECK_EQ(backendByName(NULL), &backendPoll);
    CHECK_EQ(backendByName("auto"), &backendPoll);
    CHECK_EQ(backendByName("epoll"), &backendEPoll); /* what the program says counts more */
    setenv("CAPRI_BACKEND", "nonsense", 1);
    CHECK_EQ(backendByName(NULL), NULL);
    EventManager manager;
    CHECK_EQ(eventManagerOpen(&manager, NULL, NULL, NULL), -ENOSYS);
    setenv("CAPRI_BACKEND", "auto", 1);
    CHECK_EQ(backendByName(NULL), &backendEPoll);
    unsetenv("CAPRI_BACKEND");
}
