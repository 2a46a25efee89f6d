/* Processors.c -- how many processors this process may use: affinity and control groups.
 *
 * Owns    nothing: it asks the kernel each time.
 * Before  rts/Startup.c: how many capabilities, if nobody says.
 * Tests   testsuite/unit/ProcessorsTest.c
 *
 * See Note [CPU quota].
 */
#include "capability/Processors.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PROCESSOR_MOST = 1 << 16, /* more than any kernel has */
    LINE_MOST = 8192,         /* of mountinfo: two paths and options */
    FIELDS_MOST = 32
};

uint32_t processorsAffinity(void)
{
    for (int processors = 1024; processors <= PROCESSOR_MOST; processors *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)processors);
        if (set == NULL)
            break;
        size_t size = CPU_ALLOC_SIZE((size_t)processors);
        int usable = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (usable > 0)
            return (uint32_t)usable;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

/* ---- Control groups. ---- */

/* A hierarchy with the cpu controller: where it is mounted, and which group we are in. */
typedef struct Hierarchy {
    bool unified;         /* version 2 */
    char top[LINE_MOST];  /* the path that is mounted at `place` */
    char place[PATH_MAX]; /* with the root before it */
    char group[PATH_MAX]; /* the process's group, from the hierarchy's own top */
} Hierarchy;

static FILE *openBelow(const char *root, const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof full, "%s%s", root, path);
    return length < 0 || (size_t)length >= sizeof full ? NULL : fopen(full, "re");
}

static bool hasWord(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += at != list || *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* One line of mountinfo: id, parent, device, top, place, options, tags ..., -, type, source, super
 * options. */
static bool readMount(char *line, const char *root, Hierarchy *found)
{
    char *fields[FIELDS_MOST], *rest = NULL;
    int count = 0, dash = 0;
    for (char *at = strtok_r(line, " \n", &rest); at != NULL && count < FIELDS_MOST;
         at = strtok_r(NULL, " \n", &rest)) {
        if (dash == 0 && count > 5 && strcmp(at, "-") == 0)
            dash = count;
        fields[count++] = at;
    }
    if (dash == 0 || dash + 3 >= count)
        return false;
    if (strcmp(fields[dash + 1], found->unified ? "cgroup2" : "cgroup") != 0 ||
        (!found->unified && !hasWord(fields[dash + 3], "cpu")))
        return false;
    snprintf(found->top, sizeof found->top, "%s", fields[3]);
    int length = snprintf(found->place, sizeof found->place, "%s%s", root, fields[4]);
    return length > 0 && (size_t)length < sizeof found->place;
}

static bool findMount(const char *root, Hierarchy *found)
{
    char line[LINE_MOST];
    bool there = false;
    FILE *file = openBelow(root, "/proc/self/mountinfo");
    if (file == NULL)
        return false;
    while (!there && fgets(line, sizeof line, file) != NULL)
        there = readMount(line, root, found);
    fclose(file);
    return there;
}

/* One line of /proc/self/cgroup: "id:controllers:path"; version 2: "0::path". */
static bool readGroup(char *line, Hierarchy *found)
{
    char *controllers = strchr(line, ':'), *path = NULL;
    if (controllers != NULL)
        path = strchr(++controllers, ':');
    if (path == NULL)
        return false;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    bool ours = found->unified ? strncmp(line, "0:", 2) == 0 && *controllers == '\0'
                               : hasWord(controllers, "cpu");
    if (!ours || strlen(path) >= sizeof found->group)
        return false;
    strcpy(found->group, path);
    return true;
}

static bool findGroup(const char *root, Hierarchy *found)
{
    char line[PATH_MAX + 256];
    bool there = false;
    FILE *file = openBelow(root, "/proc/self/cgroup");
    if (file == NULL)
        return false;
    while (!there && fgets(line, sizeof line, file) != NULL)
        there = readGroup(line, found);
    fclose(file);
    return there;
}

static bool readNumbers(const char *folder, const char *name, long long *first, long long *second)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    int count = fscanf(file, "%lld %lld", first, second);
    fclose(file);
    return count >= 1;
}

/* What the group in this folder allows; 0: no quota. */
static uint32_t readQuota(const Hierarchy *where, const char *folder)
{
    long long quota = -1, period = 100000, none;
    bool known = where->unified ? readNumbers(folder, "cpu.max", &quota, &period)
                                : readNumbers(folder, "cpu.cfs_quota_us", &quota, &none) &&
                                      readNumbers(folder, "cpu.cfs_period_us", &period, &none);
    if (!known || quota <= 0 || period <= 0)
        return 0;
    long long processors = quota / period + (quota % period != 0);
    return processors > PROCESSOR_MOST ? 0 : (uint32_t)processors;
}

/* The least of the group's folder and of those above it, up to where the hierarchy is mounted. */
static uint32_t readUpwards(const Hierarchy *where)
{
    char folder[2 * PATH_MAX];
    const char *below = where->group;
    size_t shown = strcmp(where->top, "/") == 0 ? 0 : strlen(where->top);
    if (strncmp(below, where->top, shown) != 0 || strstr(below, "/..") != NULL)
        below = "";
    else
        below += shown;
    int length = snprintf(folder, sizeof folder, "%s%s", where->place, below);
    size_t least_length = strlen(where->place);
    uint32_t least = 0;
    while (length > 0 && (size_t)length < sizeof folder) {
        uint32_t quota = readQuota(where, folder);
        if (quota != 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < least_length)
            break;
        *slash = '\0';
    }
    return least;
}

uint32_t processorsQuota(const char *root)
{
    uint32_t least = 0;
    Hierarchy *found = malloc(sizeof *found); /* too large for a small stack */
    for (int unified = 0; found != NULL && unified <= 1; unified++) {
        found->unified = unified != 0;
        if (!findGroup(root, found) || !findMount(root, found))
            continue;
        uint32_t quota = readUpwards(found);
        if (quota != 0 && (least == 0 || quota < least))
            least = quota;
    }
    free(found);
    return least;
}

uint32_t processorsUsable(void)
{
    uint32_t affinity = processorsAffinity(), quota = processorsQuota("");
    return quota != 0 && quota < affinity ? quota : affinity;
}
