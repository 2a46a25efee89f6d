/* Site.c -- which atomics a model executed; one of them may be made weaker than it is written.
 *
 * Owns    the table of sites.
 * Before  testsuite/model/Explorer.c.      After  testsuite/model/mutate.py reads the list.
 * Tests   testsuite/model/ExplorerTest.c (runWeakened), mutate.py --self-test.
 */
#include "testsuite/model/Site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITES_MAX = 1024, SITE_SLOTS = 4 * SITES_MAX };

typedef struct Site {
    const char *text; /* a literal of SMP.h; the same text may have several addresses */
    OpKind kind;
    int written_order, weak_order;
    bool weakened; /* runs with weak_order instead of what is written */
} Site;

static struct {
    Site slots[SITE_SLOTS]; /* by address; text NULL: free */
    int count;
    const char *list_path;
    char weaken[512]; /* empty: none */
    int weaken_to;    /* an order, SITE_NOTHING, or ONE_STEP */
    bool weakened;
} sites;

enum { ONE_STEP = -2 };

static const char *const order_names[] = {"RELAXED", "ACQUIRE", "RELEASE", "ACQ_REL", "SEQ_CST"};
static const char *const kind_names[] = {"load",    "store", "rmw",  "cas",
                                         "barrier", "pause", "block"};

const char *orderName(int order)
{
    return order_names[order];
}

/* RELAXED .. SEQ_CST, SITE_NOTHING, or ONE_STEP for anything else. */
static int parseOrder(const char *name)
{
    if (strcmp(name, "NOTHING") == 0)
        return SITE_NOTHING;
    for (int i = SMP_RELAXED; i <= SMP_SEQ_CST; i++)
        if (strcmp(name, order_names[i]) == 0)
            return i;
    return ONE_STEP;
}

bool sitesStart(void)
{
    memset(&sites, 0, sizeof sites);
    sites.list_path = getenv("CAPRI_MODEL_SITES");
    sites.weaken_to = ONE_STEP;
    const char *weaken = getenv("CAPRI_MODEL_WEAKEN");
    if (!weaken || !*weaken)
        return true;
    if (strlen(weaken) >= sizeof sites.weaken) {
        fprintf(stderr, "CAPRI_MODEL_WEAKEN is too long\n");
        return false;
    }
    memcpy(sites.weaken, weaken, strlen(weaken) + 1);
    char *suffix = strrchr(sites.weaken, '=');
    if (!suffix)
        return true;
    *suffix = '\0';
    sites.weaken_to = parseOrder(suffix + 1);
    if (sites.weaken_to != ONE_STEP)
        return true;
    fprintf(stderr, "CAPRI_MODEL_WEAKEN: no such order: %s\n", suffix + 1);
    return false;
}

static int weakerOrder(OpKind kind, int order)
{
    if (kind == OpBarrier)
        return SITE_NOTHING;
    if (order == SMP_ACQ_REL)
        return SMP_RELEASE;
    if (order != SMP_SEQ_CST)
        return SMP_RELAXED;
    return kind == OpLoad ? SMP_ACQUIRE : kind == OpStore ? SMP_RELEASE : SMP_ACQ_REL;
}

static Site *addSite(Site *slot, const char *text, OpKind kind, int order)
{
    if (++sites.count > SITES_MAX) {
        fprintf(stderr, "more than %d sites\n", SITES_MAX);
        exit(2);
    }
    *slot = (Site){text, kind, order, order, sites.weaken[0] && strcmp(text, sites.weaken) == 0};
    if (slot->weakened) {
        slot->weak_order = sites.weaken_to == ONE_STEP ? weakerOrder(kind, order) : sites.weaken_to;
        sites.weakened = true;
    }
    return slot;
}

int siteVisit(const char *site, OpKind kind, int order)
{
    size_t slot = (size_t)((uintptr_t)site * UINT64_C(0x9E3779B97F4A7C15) >> 40) % SITE_SLOTS;
    while (sites.slots[slot].text && sites.slots[slot].text != site)
        slot = (slot + 1) % SITE_SLOTS;
    Site *found = &sites.slots[slot];
    if (!found->text)
        found = addSite(found, site, kind, order);
    return found->weakened ? found->weak_order : order;
}

bool sitesWrite(const char *model)
{
    bool written = true;
    FILE *list = NULL;
    if (sites.list_path) {
        list = fopen(sites.list_path, "a");
        written = list != NULL;
    }
    for (int i = 0; list && i < SITE_SLOTS; i++) {
        const Site *site = &sites.slots[i];
        if (!site->text)
            continue;
        fprintf(list, "%s\t%s\t%s\t%s\n", model, kind_names[site->kind],
                order_names[site->written_order], site->text);
    }
    if (list && fclose(list) != 0)
        written = false;
    if (!written)
        fprintf(stderr, "%s: %s\n", sites.list_path, strerror(errno));
    memset(sites.slots, 0, sizeof sites.slots);
    sites.count = 0;
    return written;
}

bool sitesWeakening(void)
{
    return sites.weaken[0] != '\0';
}

bool sitesWeakened(void)
{
    return sites.weakened;
}
