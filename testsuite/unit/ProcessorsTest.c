/* ProcessorsTest.c -- how many processors: the real affinity, made-up control groups. */
#include "capability/Processors.h"

#include "testsuite/support/Test.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/capri-processors-XXXXXX";

static void pathOf(char *path, const char *below)
{
    CHECK_LT(snprintf(path, PATH_MAX, "%s%s", root, below), PATH_MAX);
}

/* Write a file and the folders above it. */
static void put(const char *below, const char *text)
{
    char path[PATH_MAX];
    pathOf(path, below);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK_GE(fputs(text, file), 0);
    CHECK_EQ(fclose(file), 0);
}

static void begin(const char *groups, const char *mounts)
{
    strcpy(root, "/tmp/capri-processors-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    put("/proc/self/cgroup", groups);
    put("/proc/self/mountinfo", mounts);
}

static void end(void)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    CHECK_EQ(system(command), 0);
}

#define V2 "31 25 0:26 / /cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1 "40 25 0:30 / /cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHER "20 25 0:5 / /proc rw - proc proc rw\n"

TEST(Processors, countsTheAffinity)
{
    cpu_set_t before, one;
    CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    CHECK_EQ(processorsAffinity(), (uint32_t)CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_EQ(processorsAffinity(), 1);
    CHECK_EQ(processorsUsable(), 1);
    CHECK_EQ(sched_setaffinity(0, sizeof before, &before), 0);
    CHECK_GE(processorsUsable(), 1);
    CHECK_LE(processorsUsable(), processorsAffinity());
}

TEST(Processors, knowsNoQuotaWithoutGroups)
{
    begin("", OTHER);
    CHECK_EQ(processorsQuota(root), 0);
    end();
    CHECK_EQ(processorsQuota("/nowhere"), 0);
}

TEST(Processors, roundsTheUnifiedQuotaUp)
{
    static const struct {
        const char *text;
        uint32_t processors;
    } cases[] = {{"max 100000\n", 0},
                 {"100000 100000\n", 1},
                 {"150000 100000\n", 2},
                 {"1000 100000\n", 1},
                 {"400000 50000\n", 8},
                 {"400001 50000\n", 9},
                 {"", 0},
                 {"0 100000\n", 0},
                 {"-1 100000\n", 0},
                 {"99999999999 1\n", 0},
                 {"rubbish\n", 0},
                 {"250000\n", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin("0::/a/b\n", OTHER V2);
        put("/cg/a/b/cpu.max", cases[i].text);
        CHECK_EQ(processorsQuota(root), cases[i].processors);
        end();
    }
}

TEST(Processors, takesTheLeastOfAllGroupsAbove)
{
    begin("0::/a/b\n", V2);
    put("/cg/a/b/cpu.max", "500000 100000\n");
    put("/cg/a/cpu.max", "200000 100000\n");
    put("/cg/cpu.max", "300000 100000\n");
    CHECK_EQ(processorsQuota(root), 2);
    put("/cg/a/cpu.max", "max 100000\n");
    CHECK_EQ(processorsQuota(root), 3);
    end();
}

/* In a container the mount shows the container's own subtree. */
TEST(Processors, startsBelowWhatIsMounted)
{
    begin("0::/box/1/a\n", "31 25 0:26 /box/1 /cg rw - cgroup2 cgroup2 rw\n");
    put("/cg/a/cpu.max", "700000 100000\n");
    CHECK_EQ(processorsQuota(root), 7);
    end();
    begin("0::/../elsewhere\n", V2);
    put("/cg/cpu.max", "600000 100000\n");
    CHECK_EQ(processorsQuota(root), 6);
    end();
}

TEST(Processors, readsTheOlderHierarchy)
{
    begin("5:cpuset:/x\n4:cpu,cpuacct:/a\n0::/u\n",
          "39 25 0:29 / /set rw - cgroup cgroup rw,cpuset\n" V1);
    put("/cpu/a/cpu.cfs_quota_us", "-1\n");
    put("/cpu/a/cpu.cfs_period_us", "100000\n");
    put("/set/x/cpu.cfs_quota_us", "1\n");
    put("/set/x/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(processorsQuota(root), 0);
    put("/cpu/a/cpu.cfs_quota_us", "350000\n");
    CHECK_EQ(processorsQuota(root), 4);
    end();
}

TEST(Processors, seesBothHierarchies)
{
    begin("4:cpu:/a\n0::/u\n", V1 V2);
    put("/cpu/a/cpu.cfs_quota_us", "300000\n");
    put("/cpu/a/cpu.cfs_period_us", "100000\n");
    put("/cg/u/cpu.max", "200000 100000\n");
    CHECK_EQ(processorsQuota(root), 2);
    end();
}
